"""The two calls that publish: POST …/segments and POST …/segments/batch.

Imports the kit, the registry and kafka; never the log's tables.
"""
