"""Export of the log and the views to Parquet; its manifest, which the engines read without Postgres.

Imports queries and fold; segments.cli and projections.engines import it.
"""
