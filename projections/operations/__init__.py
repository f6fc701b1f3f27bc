"""Status and verify, for operators and auditors.

Imports fold; segments.cli and segments.http import it.
"""
