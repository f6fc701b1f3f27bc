"""What commands would do: the append and the fold in memory, over what stands in Postgres.

Imports service; http and segments.cli import it.
"""
