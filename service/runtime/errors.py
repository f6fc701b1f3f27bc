"""Errors of the service: one root, a class per situation; the docstring is the message."""

from __future__ import annotations

from typing import ClassVar


class SegmentsError(Exception):
    """Something in Segments failed."""

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        """Give the class's own sentence and what was added to it."""
        said = super().__str__()
        sentence = (self.__doc__ or "").strip().splitlines()[0]
        return f"{sentence} {said}".strip()


class WrongUseError(SegmentsError):
    """The command was used wrongly."""

    exit_code = 2


class NotThereError(SegmentsError):
    """Not found."""


class RefusedError(SegmentsError):
    """Refused."""


class MigrationDriftError(SegmentsError):
    """An applied migration is not the one in this program; use the program that made the database."""


class NotSetUpError(SegmentsError):
    """The database is not set up for this program; run `segments setup`."""


class UnsuitableDatabaseError(SegmentsError):
    """The database can't be used."""


class AddressError(SegmentsError):
    """The address can't be listened on."""


class UnknownSegmentError(SegmentsError):
    """No such segment in this network."""


class NameTakenError(SegmentsError):
    """A segment of this network has that name or id already."""


class NoIdLeftError(SegmentsError):
    """The network's highest segment id is the highest there is; name a lower one."""


class TooManySegmentsError(SegmentsError):
    """The network has as many segments as SEGMENTS_SEGMENTS_PER_NETWORK allows."""


class RegistryMovedError(SegmentsError):
    """Somebody changed the registry meanwhile; nothing was done, try again."""


class UnknownKeyError(SegmentsError):
    """No such API key."""


class DatabaseAwayError(SegmentsError):
    """Postgres is away."""


class LaneLostError(SegmentsError):
    """Another process moved this lane on; nothing was written."""


class LaneStoppedError(SegmentsError):
    """The lane is stopped and waits for an operator."""


class KafkaRefusedError(SegmentsError):
    """Kafka refuses us."""


class TopicError(SegmentsError):
    """A topic is not as the service needs it."""


class FoldDriftError(SegmentsError):
    """The projection was made by other SQL than this program's; run `segments rebuild`."""
