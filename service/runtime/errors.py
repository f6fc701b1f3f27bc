"""Errors of the service: one root, one class per situation. The docstring is the message."""

from __future__ import annotations

from typing import ClassVar


class SegmentsError(Exception):
    """Something in Segments failed."""

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        """Return the class's sentence and the added detail."""
        detail = super().__str__()
        sentence = (self.__doc__ or "").strip().splitlines()[0]
        return f"{sentence} {detail}".strip()


class WrongUseError(SegmentsError):
    """The command was used wrongly."""

    exit_code = 2


class NotThereError(SegmentsError):
    """Not found."""


class RefusedError(SegmentsError):
    """Refused."""


class MigrationDriftError(SegmentsError):
    """An applied migration differs from this program's; use the version that set up the database."""


class NotSetUpError(SegmentsError):
    """The database is not set up for this program; run `segments setup`."""


class UnsuitableDatabaseError(SegmentsError):
    """The database can't be used."""


class AddressError(SegmentsError):
    """Can't listen on the address."""


class UnknownSegmentError(SegmentsError):
    """No such segment in this network."""


class NameTakenError(SegmentsError):
    """A segment of this network already has that name or id."""


class NoIdLeftError(SegmentsError):
    """The network's highest segment id is the maximum; specify a lower one."""


class TooManySegmentsError(SegmentsError):
    """The network has as many segments as SEGMENTS_SEGMENTS_PER_NETWORK allows."""


class RegistryMovedError(SegmentsError):
    """The registry changed in the meantime; nothing was done, try again."""


class SnapshotError(SegmentsError):
    """The snapshot can't be used."""


class UnknownKeyError(SegmentsError):
    """No such API key."""


class TaskRunningError(SegmentsError):
    """Another task has not ended yet."""


class UnknownTaskError(SegmentsError):
    """There is no such task, or it has ended."""


class DatabaseAwayError(SegmentsError):
    """Postgres is unavailable."""


class LaneLostError(SegmentsError):
    """Another process advanced this lane; nothing was written."""


class LaneStoppedError(SegmentsError):
    """The lane is stopped until an operator acts."""


class KafkaRefusedError(SegmentsError):
    """Kafka refused the request."""


class TopicError(SegmentsError):
    """A topic is missing or misconfigured."""


class FoldDriftError(SegmentsError):
    """The projection was built with a different version of the SQL; run `segments rebuild`."""


class SealStoppedError(SegmentsError):
    """Nothing is sealed until an operator acts."""


class NotSealedError(SegmentsError):
    """There is no proof of this record yet."""
