"""HTTP on the write side: publishing commands and the registry. It publishes to Kafka and never writes the log.

What is read over HTTP stands in projections.http; segments.http joins both.
"""
