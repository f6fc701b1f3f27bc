"""Postgres: connections and transactions by role, migrations, guards of the log, the incarnation of the database.

Imports only runtime.
"""
