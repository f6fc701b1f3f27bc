"""The log of a full export, loaded into an empty database.

Imports export, operations and fold; segments.cli imports it.
"""
