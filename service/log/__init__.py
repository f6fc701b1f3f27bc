"""The log: validating records, what makes two commands the same, and the append of a batch of one lane or of several.

validate and identity are pure: no Kafka, no Postgres.
"""
