"""What goes in and out of the oracle."""

import enum
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

Position = tuple[str, int, int, int]  # (topic, partition, epoch, offset)
Row = dict[str, Any]

AUTO: Final = "auto:*"  # any reference that begins with "auto:"


class Unspecified(enum.Enum):
    """The contract does not say what stands here: equal to anything in `compare`."""

    UNSPECIFIED = "unspecified"


UNSPECIFIED: Final = Unspecified.UNSPECIFIED


@dataclass(frozen=True)
class Record:
    """One Kafka record as delivered; `timestamp_ms` is the broker's clock."""

    topic: str
    partition: int
    epoch: int
    offset: int
    timestamp_ms: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def position(self) -> Position:
        return (self.topic, self.partition, self.epoch, self.offset)

    def header(self, name: str) -> bytes | None:
        """Give the last header of that name; None if there is none, or it is null."""
        return dict(self.headers).get(name)


@dataclass(frozen=True)
class Outcome:
    """What became of a record at the append."""

    kind: Literal["event", "duplicate", "rejected"]
    of: Position | None = None  # of a duplicate: the event it repeats
    reason: str | None = None  # of a rejected record


@dataclass(frozen=True)
class Command:
    """What a record asks for, read and normalised; what was blank is None."""

    network: str
    segment: int
    user: str
    user_sent: str
    status: str
    reference: str | None
    time: int | None
    description: str | None
    expires_at: int | None
    metadata: dict[str, Any] | None  # less the lifted fields


@dataclass(frozen=True)
class Event:
    """An accepted command at its place in the log."""

    position: Position
    command: Command
    time: int  # status_change_timestamp
    reference: str  # as reported: given, AUTO, or auto:<topic>-<partition>-<offset>
    received_ms: int
    recorded_at: datetime
    source: str
    actor: str | None

    @property
    def key(self) -> tuple[str, int, str]:
        return (self.command.network, self.command.segment, self.command.user)

    @property
    def arrival(self) -> tuple[int, str, int, int, int]:
        """(received_at, topic, partition, offset), then the epoch."""
        topic, partition, epoch, offset = self.position
        return (self.received_ms, topic, partition, offset, epoch)

    @property
    def order(self) -> tuple[int, tuple[int, str, int, int, int]]:
        """The fold's order: (status_change_timestamp, received_at, topic, partition, offset)."""
        return (self.time, self.arrival)

    @property
    def when(self) -> datetime:
        return at_second(self.time)


EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def at_second(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def at_millisecond(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)
