"""The fold over an export, as one SQL text for several engines. Needs no Postgres.

Imports export; segments.cli imports it.
"""
