"""Shared by every process: settings, errors, logs, metrics, traces, backoff, the HTTP server.

Imports no other room. Every room may import it.
"""
