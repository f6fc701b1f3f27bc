"""What is published from the log: rejected records.

Imports log, registry, kafka, postgres and runtime.
"""
