"""A batch of one lane: its records, each validated by itself, its preconditions, and how it moves the lane."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.position import LOG_APPEND_TIME
from service.log.identity import record_digest
from service.log.validate import RejectedRecord, ValidCommand, validate

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from schemas.headers import Reader
    from schemas.position import Lane
    from service.log.validate import KafkaRecord
    from service.registry.segments import Which
    from service.registry.topic_rules import Allowed

NO_RECORDS = "no records: transaction markers, aborted or compacted away"


@dataclass(frozen=True, slots=True)
class RestsOn:
    """The preconditions of a batch, compared again when it is appended.

    incarnation: of Postgres, when the lane was opened. rules: the version of the topic rules. erased_to: the newest
    erasure when its people were read.
    """

    incarnation: str
    rules: int
    erased_to: int


NOTHING_YET = RestsOn("", -1, -1)


class MovedError(Exception):
    """A precondition changed: the topic rules, a segment that did not exist, a person who was erased.

    Or signatures of the batch were already used on other records. again: the offsets of those.
    """

    def __init__(
        self, rules: int, erased_to: int, gone: set[int], again: Collection[int] = ()
    ) -> None:
        super().__init__()
        self.rules, self.erased_to, self.gone = rules, erased_to, gone
        self.again = frozenset(again)


@dataclass(frozen=True, slots=True)
class Stored:
    """What a batch was stored as. reasons: the number of rejected records by reason."""

    next_offset: int
    events: int
    duplicates: int
    rejected: int
    holes: int
    reasons: Mapping[str, int]


class LaneMove(NamedTuple):
    """How a batch moves its lane: its new offset, counts, and last record. The fields of segments.lane_move."""

    lane_id: int
    start: int
    next_offset: int
    events: int
    duplicates: int
    rejected: int
    holes: int
    last_offset: int | None
    last_timestamp: int | None
    last_digest: bytes | None
    received_ms: int


@dataclass(slots=True)
class Batch:
    """The offsets [start, next_offset) of one lane: valid and rejected records, and holes."""

    lane: Lane
    lane_id: int
    start: int
    next_offset: int
    records: Sequence[KafkaRecord]
    holes: list[tuple[int, int]]
    received_ms: int  # of the last record; never falls within a lane
    candidates: list[ValidCommand] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    odd: list[ValidCommand] = field(default_factory=list)  # those that identify_rest must look at
    miskeyed: int = 0  # records whose key is not network_id:user
    # What it was validated with, to validate it again when the rules have changed.
    floor_ms: int = 0
    now_ms: int = 0
    allowed: Allowed | None = None
    again: frozenset[int] = frozenset()  # offsets whose signature was used on another record
    names_later: bool = False  # it has replayed expiries, whose events may not be in the log yet
    may_repeat: bool = False  # the log may hold one of its commands: look them up before the COPY
    rests_on: RestsOn = NOTHING_YET
    # Of its candidates' segments: the keys, those of them that are archived, and (network_id, segment_id) of those
    # that are not there.
    segments: list[int] = field(default_factory=list)
    archived: set[int] = field(default_factory=set)
    absent: set[Which] = field(default_factory=set)

    def note_segments(self) -> None:
        """Note the segments of its candidates, once they are identified."""
        candidates = self.candidates
        self.segments = sorted({c.segment_key for c in candidates if c.segment_key is not None})
        self.archived = {c.segment_key for c in candidates if c.archived and c.segment_key}
        self.absent = {
            (c.command.network_id, c.command.segment_id)
            for c in candidates
            if c.segment_key is None
        }

    @property
    def absent_segments(self) -> tuple[list[str], list[int]]:
        """The segments that do not exist: network_ids, segment_ids."""
        return [which[0] for which in self.absent], [which[1] for which in self.absent]

    def names(self, people: Collection[int]) -> bool:
        """Whether one of its records is about one of these person_ids."""
        return bool(people) and (
            any(c.place[0] in people for c in self.candidates)
            or any(r.person_id in people for r in self.rejected)
        )


def move_of(batch: Batch, stored: Stored) -> LaneMove:
    """Return how a batch moves its lane. Raises: AssertionError if the stored rows do not tile its offsets."""
    counted = stored.events + stored.duplicates + stored.rejected + stored.holes
    if counted != batch.next_offset - batch.start:
        raise AssertionError(f"{counted} counted in [{batch.start}, {batch.next_offset})")
    return LaneMove(
        batch.lane_id, batch.start, batch.next_offset,
        stored.events, stored.duplicates, stored.rejected, stored.holes,
        *last_record_of(batch.records[-1] if batch.records else None), batch.received_ms,
    )  # fmt: skip


def last_record_of(record: Any) -> tuple[int | None, int | None, bytes | None]:
    """Return offset, timestamp and digest of a lane's last record, to compare it later; None without a record."""
    if record is None:
        return None, None, None
    return record.offset, record.timestamp, record_digest(record.key, record.value)


def find_holes(
    start: int, next_offset: int, records: Sequence[KafkaRecord]
) -> list[tuple[int, int]]:
    """List the ranges [first, next) of [start, next_offset) without a record."""
    holes: list[tuple[int, int]] = []
    at = start
    if next_offset - start == len(records):
        return holes
    for record in records:
        first = record.offset - record.span + 1
        if first > at:
            holes.append((at, first))
        at = record.offset + 1
    if next_offset > at:
        holes.append((at, next_offset))
    return holes


def validate_records(
    records: Sequence[KafkaRecord],
    floor_ms: int,
    now_ms: int,
    reader: Reader | None,
    allowed: Allowed | None = None,
    again: Collection[int] = (),
) -> tuple[list[ValidCommand], list[RejectedRecord], int]:
    """Validate records in offset order.

    floor_ms: the lane's newest received_at, Unix milliseconds; now_ms: the database's clock, which replaces the
    timestamps of producers; reader: verifies signatures; allowed: the rules of the topic; again: offsets of records
    whose signature was already used on another record.
    Returns: the valid ones, the rejected ones, and the new floor.
    """
    candidates: list[ValidCommand] = []
    refused: list[RejectedRecord] = []
    for record in records:
        stamped = record.timestamp if record.timestamp_type == LOG_APPEND_TIME else now_ms
        floor_ms = max(floor_ms, stamped)
        validated = validate(record, floor_ms, reader, allowed, again=record.offset in again)
        if type(validated) is ValidCommand:
            candidates.append(validated)
        else:
            refused.append(validated)  # type: ignore[arg-type]
    return candidates, refused, floor_ms
