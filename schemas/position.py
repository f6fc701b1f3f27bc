"""Where a record lies: lanes and positions."""

from __future__ import annotations

from typing import NamedTuple

LOG_APPEND_TIME = 1
"""Kafka's timestamp type of a record that the broker stamped."""
# What Kafka and Postgres can hold.
_MAX_INTEGER = 2**31 - 1
_MAX_BIGINT = 2**63 - 1


class Lane(NamedTuple):
    """One partition of a command topic, in one epoch (0, one up each time a remade topic is adopted)."""

    topic: str
    partition: int
    epoch: int = 0


class Position(NamedTuple):
    """One record: its lane and its offset there."""

    topic: str
    partition: int
    epoch: int
    offset: int

    def __str__(self) -> str:
        """Write it as `topic:partition:epoch:offset`; a topic's name holds no colon."""
        return f"{self.topic}:{self.partition}:{self.epoch}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read what `str()` wrote; the epoch may be left out and is 0 then.

        Raises: ValueError.
        """
        topic, *numbers = text.split(":")
        if not topic or len(numbers) not in (2, 3) or not all(n.isdecimal() for n in numbers):
            raise ValueError(f"not topic:partition:epoch:offset: {text!r}")
        partition, *rest, offset = map(int, numbers)
        epoch = rest[0] if rest else 0
        if max(partition, epoch) > _MAX_INTEGER or offset > _MAX_BIGINT:
            raise ValueError(f"no such partition, epoch or offset can be: {text!r}")
        return cls(topic, partition, epoch, offset)
