"""The write side, in packages: operations, ingest, seal, outbox, http, log, registry, kafka, postgres, runtime.

Imported by projections and segments; imports only schemas. pyproject.toml has the layers of the packages.
"""
