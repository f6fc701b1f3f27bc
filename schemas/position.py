"""Lanes, and positions of records."""

from __future__ import annotations

import re
from typing import NamedTuple

LOG_APPEND_TIME = 1
"""Kafka's timestamp type of a record that the broker stamped."""
# The limits of Kafka's and Postgres' integers.
_MAX_INTEGER = 2**31 - 1
_MAX_BIGINT = 2**63 - 1
_MOST_DIGITS = 19
# What Kafka allows as the name of a topic, and numbers without the digits of other scripts.
_POSITION = re.compile(r"([A-Za-z0-9._-]{1,249}):([0-9]+)(?::([0-9]+))?:([0-9]+)")


class Lane(NamedTuple):
    """One partition of a command topic in one epoch (0; each adoption of a remade topic increments it)."""

    topic: str
    partition: int
    epoch: int = 0


class Position(NamedTuple):
    """The position of a record: its lane and its offset."""

    topic: str
    partition: int
    epoch: int
    offset: int

    def __str__(self) -> str:
        """Format as `topic:partition:epoch:offset`; a topic's name contains no colon."""
        return f"{self.topic}:{self.partition}:{self.epoch}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Parse the format of `str()`; the epoch is optional and defaults to 0.

        Raises: ValueError.
        """
        match = _POSITION.fullmatch(text)
        if match is None or any(len(number or "") > _MOST_DIGITS for number in match.groups()[1:]):
            raise ValueError(f"not topic:partition:epoch:offset: {text!r}")
        topic = match[1]
        partition, epoch, offset = int(match[2]), int(match[3] or 0), int(match[4])
        if max(partition, epoch) > _MAX_INTEGER or offset > _MAX_BIGINT:
            raise ValueError(f"partition, epoch or offset out of range: {text!r}")
        return cls(topic, partition, epoch, offset)
