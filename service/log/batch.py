"""From a lane's fetched records to a batch that only has to be stored; runs while the one before it is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from schemas.command import check_times
from schemas.command.refusal import Reason, Refusal
from schemas.headers import NO_HEADERS
from schemas.position import LOG_APPEND_TIME, Position
from service.log import identity
from service.log.copy_format import copy_row, lane_bytes
from service.log.expire_events import find_named, settle_expiry
from service.log.origins import honour_origins
from service.log.people import UNKNOWN_TIME, Person
from service.log.taken import PREFIX, refuse_taken
from service.log.validate import RejectedRecord, ValidCommand, is_expiry, judge, rejected

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import asyncpg

    from schemas.headers import Reader
    from schemas.position import Lane
    from service.log.expire_events import Named
    from service.log.people import People, Who
    from service.log.validate import KafkaRecord
    from service.registry.segments import Registered, Which
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
    odd: list[ValidCommand] = field(default_factory=list)  # those that _identify_odd must look at
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


def identify(
    batch: Batch,
    candidates: Sequence[ValidCommand],
    segments: Mapping[Which, Registered],
    people: Mapping[str, Person],
) -> list[ValidCommand]:
    """Fill in what tells each command from others: person, segment, digests, place.

    people: by `network_id:user`. Gives those candidates whose person or segment is not among them.
    One loop with few calls into Python, for it is run for every record; and the row is encoded here, while all of it
    lies in the processor's cache.
    """
    unknown: list[ValidCommand] = []
    lane = batch.lane
    lane_name = lane_bytes(lane)
    auto = f"{identity.AUTO}{lane.topic}-{lane.partition}-"
    for candidate in candidates:
        command = candidate.command
        network_id = command.network_id
        who = f"{network_id}:{command.user}"
        person = people.get(who)
        registered = segments.get((network_id, command.segment_id))
        if person is None or registered is None:
            unknown.append(candidate)
            continue
        candidate.salt = salt = person.salt
        candidate.who = key = who.encode()
        record = candidate.record
        if record.key != key and record.key is not None:
            batch.miskeyed += 1
        segment_key, candidate.archived = registered
        candidate.segment_key = segment_key
        candidate.content = content = identity.content_digest(command.content, salt)
        reference_id, time, discriminator = command.reference_id, candidate.time, ""
        if command.status_change_timestamp is None:
            discriminator = str(Position(*lane, record.offset))
            if reference_id is None:
                reference_id = f"{auto}{record.offset}"
        else:
            if reference_id is None:
                reference_id = identity.AUTO + content.hex()
            # Repeats are seldom later than all that was said of the person: a hint which to look for in the log.
            newest = person.newest
            candidate.suspect = time <= newest
            if time > newest or newest == UNKNOWN_TIME:
                person.newest = time
        candidate.place = (person.person_id, segment_key or 0, time, reference_id, discriminator)
        if candidate.headers is NO_HEADERS:
            copy_row(candidate, lane_name)
        else:
            candidate.row = candidate.covered = b""  # encoded once all is known, maybe anew
            _identify_by_headers(batch, candidate, salt)
    return unknown


def _identify_by_headers(batch: Batch, candidate: ValidCommand, salt: bytes) -> None:
    """Fill in what an idempotency key names, and note what takes a look into the log: it is encoded after that."""
    headers, command = candidate.headers, candidate.command
    if headers.origin is not None or is_expiry(candidate):
        candidate.suspect = True
        batch.odd.append(candidate)
    if headers.idempotency_key is None:
        return
    candidate.idempotency = (command.network_id, identity.key_digest(headers.idempotency_key))
    candidate.request = identity.request_digest(
        command.content,
        salt,
        segment_id=command.segment_id,
        user=command.user,
        reference_id=command.reference_id,
        status_change_timestamp=command.status_change_timestamp,
    )


def are_plain(candidates: Sequence[ValidCommand]) -> bool:
    """Whether all that is to be found out of these is who their people are: no retries, expiries, erased names."""
    return not any(
        c.headers.origin is not None or is_expiry(c) or c.command.user.startswith(PREFIX)
        for c in candidates
    )


async def identify_rest(
    connection: asyncpg.Connection[Any],
    batch: Batch,
    unknown: Sequence[ValidCommand],
    segments: Mapping[Which, Registered],
    people: People,
) -> dict[Who, Person]:
    """Identify what takes a look into Postgres: people not remembered, retries, expiries.

    segments: those of `unknown`.
    Returns: the people, to be remembered once the transaction is committed.
    """
    named = await find_named(
        connection, [c for c in (*unknown, *batch.odd) if is_expiry(c)], segments
    )
    strangers = []
    for candidate in unknown:
        if id(candidate) in named:  # nobody is made of an erased one's name
            whose = Person(named[id(candidate)].person_id, b"", UNKNOWN_TIME)
            who = f"{candidate.command.network_id}:{candidate.command.user}"
            identify(batch, [candidate], segments, {who: whose})
        else:
            strangers.append(candidate)
    refused = await refuse_taken(connection, strangers)
    if refused:
        batch.rejected += refused
        out = {one.record.offset for one in refused}
        batch.candidates[:] = [c for c in batch.candidates if c.record.offset not in out]
        strangers = [c for c in strangers if c.record.offset not in out]
    wanted = {(c.command.network_id, c.command.user) for c in strangers}
    wanted |= {
        (r.network_id, r.user)
        for r in batch.rejected
        if r.network_id is not None and r.user is not None
    }
    found = await people.find(connection, wanted)
    identify(
        batch, strangers, segments, {f"{who[0]}:{who[1]}": person for who, person in found.items()}
    )
    for one in batch.rejected:
        if one.network_id is not None and one.user is not None:
            one.person_id = found[one.network_id, one.user].person_id
    retries = [
        c for c in batch.odd if c.headers.origin and c.command.status_change_timestamp is None
    ]
    await honour_origins(connection, retries)
    for candidate in batch.odd:
        _settle_odd(batch, candidate, named.get(id(candidate)))
    return found


def _settle_odd(batch: Batch, candidate: ValidCommand, named: Named | None) -> None:
    """Check the time of a retry's first receipt; settle which event an expiry names."""
    if candidate.headers.origin is not None and candidate.command.status_change_timestamp is None:
        try:
            check_times(candidate.command, candidate.time, candidate.received_ms)
        except Refusal as refusal:
            batch.candidates.remove(candidate)
            batch.rejected.append(rejected(candidate, refusal.reason, refusal.detail))
            return
    if is_expiry(candidate) and candidate.segment_key is not None:
        if named is None:
            batch.candidates.remove(candidate)
            batch.rejected.append(
                rejected(
                    candidate,
                    Reason.INVALID_FIELD,
                    "/reference_id names no override that lapses then",
                )
            )
        else:
            settle_expiry(candidate, named)
