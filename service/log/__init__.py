"""The log: judging records, what makes two commands the same, and the append of one batch of one lane.

judge and identity are pure: no Kafka, no Postgres.
"""
