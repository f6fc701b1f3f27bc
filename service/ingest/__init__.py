"""From Kafka to the log: a FastStream batch subscriber feeds lanes, each lane validates and appends.

Between fetch and lane nothing may raise: what does ends the process, for a swallowed record would pass as a hole.
"""
