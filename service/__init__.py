"""The write side, in rooms: operations, ingest, outbox, http, log, registry, kafka, postgres, runtime.

May be imported from projections and segments; imports schemas alone. The rooms' arrows stand in pyproject.toml.
"""
