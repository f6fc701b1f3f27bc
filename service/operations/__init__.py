"""What operators do: adopt and skip lanes, retry rejected records.

The top room of service: imports every other one, but http; segments.cli imports it.
"""
