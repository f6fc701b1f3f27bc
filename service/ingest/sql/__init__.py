"""Statements of ingest, one per file."""
