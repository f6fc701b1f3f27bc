"""Formats on the wire and in storage: commands, refusals, headers, topic names, published documents.

Pure: imports neither Kafka nor Postgres nor any other top-level folder. Every folder may import it.
"""
