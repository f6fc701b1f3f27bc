"""Statements, one a file; each begins with its purpose and says what its parameters are."""
