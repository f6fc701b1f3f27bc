"""Dry runs: the append and the fold in memory, based on the state in Postgres.

Imports service; http and segments.cli import it.
"""
