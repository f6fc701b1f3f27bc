"""Where a record lies: lanes and positions."""

from __future__ import annotations

from typing import NamedTuple


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
        partition, *epoch, offset = map(int, numbers)
        return cls(topic, partition, epoch[0] if epoch else 0, offset)
