"""Publishes rejected records from the log.

Imports log, registry, kafka, postgres and runtime.
"""
