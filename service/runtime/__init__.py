"""What every process needs: settings, errors, logs and metrics, traces, waiting, the HTTP server.

Imports no other room; every room may import it.
"""
