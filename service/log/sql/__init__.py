"""Statements of the append, one a file."""
