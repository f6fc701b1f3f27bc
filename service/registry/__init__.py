"""Definitions that commands are checked against: segments, command topics, API keys, analysts, topic owners.

Imports kafka, postgres and runtime.
"""
