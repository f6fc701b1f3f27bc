"""From Kafka to the log: a FastStream batch subscriber feeds lanes; each lane validates and appends.

Nothing between fetch and lane may raise. An exception there ends the process: a lost record would pass as a hole.
"""
