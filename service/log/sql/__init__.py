"""Statements of the append, one per file."""
