"""Statements, one per file; each begins with its purpose and its parameters."""
