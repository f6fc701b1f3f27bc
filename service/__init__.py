"""The write side: settings, database, Kafka, the registry, the log and the ingest.

May be imported from projections and segments; imports schemas alone.
"""
