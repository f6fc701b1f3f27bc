"""What operators and auditors run: status, verify.

Imports fold; segments.cli and segments.http import it.
"""
