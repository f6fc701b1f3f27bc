"""The append: one batch of one lane, in one transaction, exactly once.

Optimistic first: most batches hold no duplicate, and then no question is asked. Once one did, the next batches of its
lane go the exact way at once (`settle.py`).
Little batches are tried in one statement with those of other lanes first (`together.py`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.headers import Reader
from schemas.position import LOG_APPEND_TIME
from schemas.topics import Topics
from service.log import signatures, spans
from service.log.append_many import LITTLE, MOST_LANES, append_many, is_ordinary
from service.log.batch import (
    NO_RECORDS,
    Batch,
    RestsOn,
    are_plain,
    find_holes,
    identify,
    identify_rest,
    validate_again,
    validate_records,
)
from service.log.identity import record_digest
from service.log.insert import ALL, NONE, insert_events
from service.log.keyed import name_by_keys
from service.log.memory import Memory
from service.log.rows import duplicate_rows, hole_rows, rejected_rows
from service.postgres.database import statements
from service.postgres.incarnation import log_change
from service.registry.segments import Registered
from service.registry.topic_rules import Allowed, allowed_on
from service.runtime.coalesce import Coalescer
from service.runtime.errors import LaneLostError, LaneStoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from schemas.position import Lane
    from service.log.deduplicate import Resolution
    from service.log.people import Person, Who
    from service.log.validate import KafkaRecord, RejectedRecord, ValidCommand
    from service.postgres.database import Database
    from service.registry.segments import Which

SQL = statements("service.log.sql")
ROLE = "segments_ingest"
# After a batch with repeats, so many batches of the lane go the exact way at once.
EXACT_BATCHES = 8
# Records that are judged and identified in one go: they lie in the processor's cache together, and the appends
# of other lanes aren't kept waiting for longer. 4,000 at once cost a third more.
CHUNK = 250


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch. reasons: how many were refused for each."""

    next_offset: int
    events: int
    duplicates: int
    rejected: int
    holes: int
    reasons: Mapping[str, int]


class Appender:
    """Prepares and stores batches; one for each ingest process. Lanes may be stored side by side."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._settings = database.settings
        self._memory = Memory("", 0, database.settings.people_cache)
        self._on_another: list[Callable[[], object]] = []
        self._telling = signatures.Telling()
        self._together = Coalescer(self._append_together, MOST_LANES)
        self._acquaint = Coalescer(self._find_people, MOST_LANES)
        self._asked: dict[
            int, tuple[int, int]
        ] = {}  # lane_id → what is asked, for so many batches yet

    def on_another(self, begin_anew: Callable[[], object]) -> None:
        """Have this called when Postgres is another one: whoever reads a lane opens it anew."""
        self._on_another.append(begin_anew)

    def saw(self, incarnation: str, erased_to: int) -> None:
        """Take notice of the incarnation of Postgres that a statement found, and of the newest erasure there.

        Another one than before: all that was remembered is dropped, and prepared batches are not stored.
        """
        before = self._memory.incarnation
        if incarnation == before:
            return
        self._memory = Memory(incarnation, erased_to, self._settings.people_cache)
        self._asked = {}
        if before:
            log_change(before, incarnation)
            for begin_anew in self._on_another:
                begin_anew()

    def stop(self) -> set[asyncio.Task[None]]:
        """End what is under way for several lanes, once none of them waits for it; gives what is not at its end yet."""
        return self._together.stop() | self._acquaint.stop()

    async def prepare(
        self,
        lane: Lane,
        lane_id: int,
        start: int,
        next_offset: int,
        records: Sequence[KafkaRecord],
        floor_ms: int,
        incarnation: str,
    ) -> Batch:
        """Judge records of [start, next_offset) and make sure of their people; no lock is held.

        floor_ms: received_at of the record before, Unix milliseconds. incarnation: of the Postgres where the lane was
        opened, which was told by `saw`.
        Raises: LaneLostError when another one was seen since; asyncpg and OS errors of the infrastructure, to be tried
        again.
        """
        memory = self._memory
        if incarnation != memory.incarnation:
            raise LaneLostError(f"({lane.topic}-{lane.partition}: Postgres is another one by now)")
        batch = Batch(
            lane, lane_id, start, next_offset, records,
            find_holes(start, next_offset, records), floor_ms, floor_ms=floor_ms,
        )  # fmt: skip
        if any(record.timestamp_type != LOG_APPEND_TIME for record in records):
            batch.now_ms = await self._now_ms()
        if memory.rules_version < 0:
            await self._load_rules(memory)
        # Before anything remembered is used: what is forgotten later is noticed at the append.
        batch.rests_on = RestsOn(incarnation, memory.rules_version, memory.erased_to)
        segments, people = memory.segments, memory.people.known
        batch.allowed = self._allowed(lane, memory)
        reader = self._reader(lane)
        unknown: list[ValidCommand] = []
        for at in range(0, len(records), CHUNK):
            valid, refused, batch.received_ms = validate_records(
                records[at : at + CHUNK],
                batch.received_ms,
                batch.now_ms,
                reader,
                batch.allowed,
            )
            batch.candidates += valid
            batch.rejected += refused
            unknown += identify(batch, valid, segments, people)
            await asyncio.sleep(0)
        await self._identify_rest(batch, unknown, memory)
        return batch

    async def _now_ms(self) -> int:
        async with self._database.transaction() as connection:
            now = await connection.fetchval("SELECT clock_timestamp()")
            return int(now.timestamp() * 1000)

    async def _load_rules(self, memory: Memory) -> None:
        async with self._database.transaction() as connection:
            await memory.load_rules(connection)

    def _allowed(self, lane: Lane, memory: Memory) -> Allowed | None:
        return allowed_on(lane.topic, memory.rules, Topics(self._settings.topic_prefix).commands)

    def _reader(self, lane: Lane) -> Reader:
        return Reader(self._settings.signing_secrets, lane.topic)

    async def _identify_anew(self, batch: Batch, moved: _MovedError) -> None:
        """Find out again what does not stand any more of what a batch rests on, and nothing else."""
        memory = self._memory
        if batch.rests_on.incarnation != memory.incarnation:
            raise LaneLostError(f"({batch.lane.topic}-{batch.lane.partition})")
        if moved.rules != memory.rules_version:
            await self._load_rules(memory)
        batch.rests_on = RestsOn(memory.incarnation, memory.rules_version, moved.erased_to)
        allowed = self._allowed(batch.lane, memory)
        if allowed != batch.allowed or moved.again:
            batch.again |= moved.again
            validate_again(batch, self._reader(batch.lane), allowed)
            touched = batch.candidates
        else:
            touched = [
                c for c in batch.candidates if c.segment_key is None or c.place[0] in moved.gone
            ]
        for candidate in touched:
            if candidate.segment_key is None:
                memory.segments.pop(_segment(candidate), None)
        miskeyed, batch.odd = batch.miskeyed, []
        unknown = identify(batch, touched, memory.segments, memory.people.known)
        await self._identify_rest(batch, unknown, memory)
        batch.miskeyed = miskeyed

    async def _identify_rest(
        self, batch: Batch, unknown: list[ValidCommand], memory: Memory
    ) -> None:
        """Ask Postgres for what is not remembered, if anything; then the batch is ready."""
        known = {key: memory.segments.get(key) for key in map(_segment, unknown)}
        missing = [key for key, found in known.items() if found is None]
        if missing:
            async with self._database.single() as connection:
                known |= await memory.find_segments(connection, missing)
            unknown = identify(batch, unknown, known, memory.people.known)  # type: ignore[arg-type]
        await self._identify_people(batch, unknown, known, memory)  # type: ignore[arg-type]
        batch.note_segments()

    async def _identify_people(
        self,
        batch: Batch,
        unknown: list[ValidCommand],
        known: Mapping[Which, Registered],
        memory: Memory,
    ) -> None:
        """Identify what takes a look for people. known: the segments of `unknown`."""
        if unknown and len(unknown) <= LITTLE and not batch.rejected and are_plain(unknown):
            wanted = {(c.command.network_id, c.command.user) for c in unknown}
            found = await self._acquaint((memory, wanted))
            identify(batch, unknown, known, {f"{who[0]}:{who[1]}": p for who, p in found.items()})
            unknown = []
        if unknown or batch.odd or batch.rejected:
            people, forgotten = memory.people, memory.people.forgotten
            async with self._database.transaction() as connection:
                found = await identify_rest(connection, batch, unknown, known, people)
            people.remember(forgotten, found)

    async def _find_people(
        self, asked: Sequence[tuple[Memory, set[Who]]]
    ) -> Sequence[dict[Who, Person]]:
        """Find or make the people of several batches at once; those of another memory are asked for by themselves."""
        answers: dict[int, dict[Who, Person]] = {}
        for memory in {id(one): one for one, _ in asked}.values():
            people, forgotten = memory.people, memory.people.forgotten
            wanted = set().union(*(who for one, who in asked if one is memory))
            async with self._database.single() as connection:
                found = await people.find(connection, wanted)
            people.remember(forgotten, found)
            answers[id(memory)] = found
        return [answers[id(memory)] for memory, _ in asked]

    async def _append_together(self, batches: Sequence[Batch]) -> Sequence[bool]:
        return await append_many(self._database, batches)

    async def store_together(self, batch: Batch) -> Stored | None:
        """Append a little batch in one statement with those of other lanes; None when it has to be stored alone."""
        if self._asked.get(batch.lane_id, (NONE, 0))[0] != NONE or not is_ordinary(batch):
            return None
        if self._settings.otlp_endpoint is not None and spans.are_in(batch):
            return None
        if not await self._together(batch):
            return None
        return Stored(batch.next_offset, len(batch.candidates), 0, 0, 0, {})

    async def store_alone(self, batch: Batch) -> Stored:
        """Append a prepared batch in a transaction of its own.

        Raises: LaneLostError when another process moved the lane, LaneStoppedError, and asyncpg and OS
        errors of the infrastructure; nothing is written then.
        """
        traced = spans.begin(batch) if self._settings.otlp_endpoint is not None else []
        while True:
            try:
                async with self._database.transaction() as connection:
                    recorded_at = await self._lock(connection, batch)
                    await _claim_signatures(connection, batch)
                    asked, left = self._asked.get(batch.lane_id, (NONE, 0))
                    resolution, needed = await insert_events(
                        connection, batch, recorded_at, ALL if batch.may_repeat else asked
                    )
                    stored = await _insert_rest(connection, batch, resolution, recorded_at)
                    if traced:
                        await spans.hand_on(connection, batch.lane_id, traced)
            except _MovedError as moved:
                await self._identify_anew(batch, moved)
                continue
            self._telling.tell(batch)
            spans.end(traced)
            self._asked[batch.lane_id] = (
                (asked, left - 1) if needed < asked and left > 1 else (needed, EXACT_BATCHES)
            )
            return stored

    async def _lock(self, connection: asyncpg.Connection[Any], batch: Batch) -> datetime:
        row = await connection.fetchrow(SQL["lock_lane"], batch.lane_id)
        if row is None or row["closed"] or row["next_offset"] != batch.start:
            raise LaneLostError(f"({batch.lane.topic}-{batch.lane.partition})")
        if row["stopped_because"] is not None:
            raise LaneStoppedError(row["stopped_because"])
        clock = await connection.fetchrow(
            SQL["clock"], batch.lane_id, batch.segments, *batch.absent_segments
        )
        assert clock is not None  # noqa: S101 - the row is locked
        await self._compare(connection, batch, clock)
        now: datetime = clock["now"]
        return now

    async def _compare(
        self, connection: asyncpg.Connection[Any], batch: Batch, clock: asyncpg.Record
    ) -> None:
        """Compare what a batch rests on with what is so now that its lane is locked.

        Raises: LaneLostError where Postgres is another one; _MovedError where a part has to be found out anew.
        """
        rests_on = batch.rests_on
        incarnation, rules, erased_to = clock["incarnation"], clock["rules"], clock["erased_to"]
        if incarnation != rests_on.incarnation or incarnation != self._memory.incarnation:
            self.saw(incarnation, erased_to)
            raise LaneLostError(
                f"({batch.lane.topic}-{batch.lane.partition}: Postgres is another one)"
            )
        gone: set[int] = set()
        if erased_to != rests_on.erased_to:
            gone = await self._memory.erased_since(connection, rests_on.erased_to)
        if rules != rests_on.rules or clock["created"] or batch.names(gone):
            raise _MovedError(rules, erased_to, gone)
        batch.rests_on = RestsOn(incarnation, rules, erased_to)
        archived = set(clock["archived"])
        if archived != batch.archived:
            batch.archived = archived
            for candidate in batch.candidates:
                key = candidate.segment_key
                if key is not None and candidate.archived != (key in archived):
                    candidate.archived = key in archived
                    self._memory.segments[_segment(candidate)] = Registered(key, key in archived)


def _segment(candidate: ValidCommand) -> Which:
    return candidate.command.network_id, candidate.command.segment_id


class _MovedError(Exception):
    """What a batch rests on moved: what topics may say, a segment that was not there, somebody who was erased.

    Or signatures of it were believed before, on other records. again: the offsets of those that are not to be.
    """

    def __init__(
        self, rules: int, erased_to: int, gone: set[int], again: Collection[int] = ()
    ) -> None:
        super().__init__()
        self.rules, self.erased_to, self.gone = rules, erased_to, gone
        self.again = frozenset(again)


async def _claim_signatures(connection: asyncpg.Connection[Any], batch: Batch) -> None:
    again = await signatures.claim(connection, batch)
    if again:
        raise _MovedError(batch.rests_on.rules, batch.rests_on.erased_to, set(), again)


async def _insert_rest(
    connection: asyncpg.Connection[Any],
    batch: Batch,
    resolution: Resolution,
    recorded_at: datetime,
) -> Stored:
    refused = [*batch.rejected, *resolution.rejected]
    await name_by_keys(connection, refused, batch.allowed)
    await signatures.note_unbelieved(connection, batch)
    for table, (columns, rows) in {
        "duplicate": duplicate_rows(batch, resolution, recorded_at),
        "rejected": rejected_rows(batch, refused, recorded_at),
        "hole": hole_rows(batch, NO_RECORDS, recorded_at),
    }.items():
        if rows:
            await connection.copy_records_to_table(
                table, schema_name="segments", columns=columns, records=rows
            )
    stored = Stored(
        batch.next_offset,
        len(resolution.events),
        len(resolution.duplicates),
        sum(r.record.span for r in refused),
        sum(end - first for first, end in batch.holes),
        _count_reasons(refused),
    )
    await _move(connection, batch, stored, recorded_at)
    return stored


def _count_reasons(refused: Sequence[RejectedRecord]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in refused:
        reason = one.reason.value
        counts[reason] = counts.get(reason, 0) + one.record.span
    return counts


async def _move(
    connection: asyncpg.Connection[Any], batch: Batch, stored: Stored, recorded_at: datetime
) -> None:
    counted = stored.events + stored.duplicates + stored.rejected + stored.holes
    if counted != batch.next_offset - batch.start:
        raise AssertionError(f"{counted} counted in [{batch.start}, {batch.next_offset})")
    last = batch.records[-1] if batch.records else None
    status = await connection.execute(
        SQL["move_lane"], batch.lane_id, batch.start, batch.next_offset,
        stored.events, stored.duplicates, stored.rejected, stored.holes,
        last.offset if last else None, last.timestamp if last else None,
        record_digest(last.key, last.value) if last else None,
        batch.received_ms, recorded_at,
    )  # fmt: skip
    if status != "UPDATE 1":
        raise LaneLostError(f"({batch.lane.topic}-{batch.lane.partition})")
