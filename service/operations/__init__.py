"""Operations on the log: adopt and skip lanes, retry rejected records.

The top room of service: imports every other one except http. segments.cli imports it.
"""
