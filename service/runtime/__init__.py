"""Shared by every process: settings, errors, logs, metrics, traces, backoff, the HTTP server.

Imports no other package. Every package may import it.
"""
