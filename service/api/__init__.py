"""The HTTP door for commands and the registry: routes that parse, call one function and shape.

It publishes to Kafka and never writes the log. What is read over HTTP lives in projections; segments.http joins both.
"""
