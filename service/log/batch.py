"""A batch of one lane: what each of its records is, judged alone, what it rests on, and how far its lane goes by it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.position import LOG_APPEND_TIME
from service.log.identity import record_digest
from service.log.validate import RejectedRecord, ValidCommand, judge

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
    """What must still be so when a batch is appended.

    incarnation: of Postgres, as it was when the lane was opened. rules: the version of what topics may say. erased_to:
    the newest erasure that its people were found after.
    """

    incarnation: str
    rules: int
    erased_to: int


NOTHING_YET = RestsOn("", -1, -1)


class MovedError(Exception):
    """What a batch rests on moved: what topics may say, a segment that was not there, somebody who was erased.

    Or signatures of it were believed before, on other records. again: the offsets of those that are not to be.
    """

    def __init__(
        self, rules: int, erased_to: int, gone: set[int], again: Collection[int] = ()
    ) -> None:
        super().__init__()
        self.rules, self.erased_to, self.gone = rules, erased_to, gone
        self.again = frozenset(again)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch. reasons: how many were refused for each."""

    next_offset: int
    events: int
    duplicates: int
    rejected: int
    holes: int
    reasons: Mapping[str, int]


class LaneMove(NamedTuple):
    """How far a lane goes on, what its offsets held, and the last record among them: segments.lane_move."""

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
    """One lane's offsets [start, next_offset): what each record is, and the ranges without records."""

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
    # What it was judged with, to do it again when what the topic may say has changed.
    floor_ms: int = 0
    now_ms: int = 0
    allowed: Allowed | None = None
    again: frozenset[int] = frozenset()  # offsets whose signature was believed on another record
    may_repeat: bool = False  # the log may hold one of its commands: ask before the COPY
    rests_on: RestsOn = NOTHING_YET
    # Of its candidates' segments: the keys, those of them that are archived, and (network_id, segment_id) of those
    # that are not there.
    segments: list[int] = field(default_factory=list)
    archived: set[int] = field(default_factory=set)
    absent: set[Which] = field(default_factory=set)

    def note_segments(self) -> None:
        """Note which segments it names, once its candidates are identified."""
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
        """The segments that are not there: network_ids, segment_ids."""
        return [which[0] for which in self.absent], [which[1] for which in self.absent]

    def names(self, people: Collection[int]) -> bool:
        """Whether a record of it is about one of these person_ids."""
        return bool(people) and (
            any(c.place[0] in people for c in self.candidates)
            or any(r.person_id in people for r in self.rejected)
        )


def move_of(batch: Batch, stored: Stored) -> LaneMove:
    """Say how a batch moves its lane. Raises: AssertionError where what was stored does not tile it."""
    counted = stored.events + stored.duplicates + stored.rejected + stored.holes
    if counted != batch.next_offset - batch.start:
        raise AssertionError(f"{counted} counted in [{batch.start}, {batch.next_offset})")
    return LaneMove(
        batch.lane_id, batch.start, batch.next_offset,
        stored.events, stored.duplicates, stored.rejected, stored.holes,
        *told_of(batch.records[-1] if batch.records else None), batch.received_ms,
    )  # fmt: skip


def told_of(record: Any) -> tuple[int | None, int | None, bytes | None]:
    """Give offset, timestamp and digest of a lane's last record, by which it is known again; None of none."""
    if record is None:
        return None, None, None
    return record.offset, record.timestamp, record_digest(record.key, record.value)


def find_holes(
    start: int, next_offset: int, records: Sequence[KafkaRecord]
) -> list[tuple[int, int]]:
    """List the ranges [first, next) of [start, next_offset) for which none of the records stands."""
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
    """Judge records in offset order.

    floor_ms: the lane's newest received_at, Unix milliseconds; now_ms: the database's clock, which stands in
    for the timestamp of records that their producer stamped; reader: how signatures are read; allowed: what their
    topic may say; again: offsets of those whose signature was believed before.
    Returns: the valid ones, the refused ones, and the new floor.
    """
    candidates: list[ValidCommand] = []
    refused: list[RejectedRecord] = []
    for record in records:
        stamped = record.timestamp if record.timestamp_type == LOG_APPEND_TIME else now_ms
        floor_ms = max(floor_ms, stamped)
        judged = judge(record, floor_ms, reader, allowed, again=record.offset in again)
        if type(judged) is ValidCommand:
            candidates.append(judged)
        else:
            refused.append(judged)  # type: ignore[arg-type]
    return candidates, refused, floor_ms


def validate_again(batch: Batch, reader: Reader | None, allowed: Allowed | None) -> None:
    """Judge a batch's records by what the topic may say and which signatures were believed now; their receipt stays."""
    batch.candidates, batch.rejected, _ = validate_records(
        batch.records, batch.floor_ms, batch.now_ms, reader, allowed, batch.again
    )
    batch.allowed = allowed
