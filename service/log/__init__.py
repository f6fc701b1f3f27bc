"""The log: validation of records, identity of commands, and the append of batches.

validate and identity are pure: no Kafka, no Postgres.
"""
