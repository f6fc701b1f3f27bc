"""What is defined before a command arrives: segments, command topics and their rules, API keys, analysts, topic owners.

Imports kafka, postgres and runtime.
"""
