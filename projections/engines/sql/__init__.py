"""The fold and the views over an export, in SQL that DuckDB and Spark read alike; each begins with its purpose."""
