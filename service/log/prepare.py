"""Prepares a batch from the fetched records of a lane, while the batch before it is stored."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from schemas.headers import Reader
from schemas.position import LOG_APPEND_TIME
from schemas.topics import Topics
from service.log.append_many import LITTLE, MOST_LANES
from service.log.batch import Batch, RestsOn, find_holes, validate_records
from service.log.identify import are_plain, identify, identify_rest
from service.log.memory import Memory
from service.log.people import by_name
from service.postgres.incarnation import log_change
from service.registry.topic_rules import Allowed, allowed_on
from service.runtime.coalesce import Coalescer
from service.runtime.errors import LaneLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from schemas.position import Lane
    from service.log.batch import MovedError
    from service.log.people import Identifier, Person
    from service.log.validate import KafkaRecord, ValidCommand
    from service.postgres.database import Database
    from service.registry.segments import Registered, Which

# Records validated and identified in one go. They fit into the processor's cache, and other lanes wait no longer.
# 4,000 at once cost a third more.
CHUNK = 250
# A chunk ends with the record that brings it to this size: reading a long record takes long.
CHUNK_BYTES = 64 * 1024


class Preparer:
    """Validates and identifies records from memory, and reads from the database what is not in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._settings = database.settings
        self._memory = Memory("", 0, database.settings.people_cache)
        self._on_another: list[Callable[[], object]] = []
        self._finding = Coalescer(self._find_people, MOST_LANES)

    def on_another(self, begin_anew: Callable[[], object]) -> None:
        """Add a callback for another incarnation of Postgres, after which each lane is opened again."""
        self._on_another.append(begin_anew)

    def saw(self, incarnation: str, erased_to: int) -> None:
        """Note the incarnation of Postgres and the newest erasure that a statement has returned.

        With another incarnation the memory is dropped, and prepared batches are not stored.
        """
        before = self._memory.incarnation
        if incarnation == before:
            return
        self._memory = Memory(incarnation, erased_to, self._settings.people_cache)
        if before:
            log_change(before, incarnation)
            for begin_anew in self._on_another:
                begin_anew()

    def stop(self) -> set[asyncio.Task[None]]:
        """Stop the queries shared by several lanes, once no lane waits for them; return the tasks still running."""
        return self._finding.stop()

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
        """Validate records of [start, next_offset), and find or make their people; no lock is held.

        floor_ms: received_at of the record before, Unix milliseconds. incarnation: that in which the lane was opened,
        passed to `saw` before.
        Raises: LaneLostError if another incarnation was seen since; asyncpg and OS errors of the infrastructure, which
        the caller retries.
        """
        memory = self._memory
        if incarnation != memory.incarnation:
            raise LaneLostError(
                f"({lane.topic}-{lane.partition}: Postgres was restored or replaced)"
            )
        batch = Batch(
            lane, lane_id, start, next_offset, records,
            find_holes(start, next_offset, records), floor_ms, floor_ms=floor_ms,
        )  # fmt: skip
        if any(record.timestamp_type != LOG_APPEND_TIME for record in records):
            batch.now_ms = await self._now_ms()
        if memory.rules_version < 0:
            await self._load_rules(memory)
        # Read before any use of the memory; what is dropped from it later is noticed at the append.
        batch.rests_on = RestsOn(incarnation, memory.rules_version, memory.erased_to)
        segments, people = memory.segments, memory.people.known
        batch.allowed = self._allowed(lane, memory)
        reader = self._reader(lane)
        unknown: list[ValidCommand] = []
        for chunk in chunks(records):
            valid = _validate(batch, chunk, reader)
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

    async def _identify_anew(self, batch: Batch, moved: MovedError) -> None:
        """Read again the preconditions of a batch that have changed, and only those."""
        memory = self._memory
        if batch.rests_on.incarnation != memory.incarnation:
            raise LaneLostError(f"({batch.lane.topic}-{batch.lane.partition})")
        if moved.rules != memory.rules_version:
            await self._load_rules(memory)
        batch.rests_on = RestsOn(memory.incarnation, memory.rules_version, moved.erased_to)
        allowed = self._allowed(batch.lane, memory)
        if allowed != batch.allowed or moved.again:
            batch.again |= moved.again
            await self._validate_again(batch, allowed)
            touched = batch.candidates
        else:
            touched = [
                c for c in batch.candidates if c.segment_key is None or c.place[0] in moved.gone
            ]
        for candidate in touched:
            if candidate.segment_key is None:
                memory.segments.pop(segment_of(candidate), None)
        miskeyed, batch.odd = batch.miskeyed, []
        unknown = identify(batch, touched, memory.segments, memory.people.known)
        await self._identify_rest(batch, unknown, memory)
        batch.miskeyed = miskeyed

    async def _validate_again(self, batch: Batch, allowed: Allowed | None) -> None:
        """Validate a batch's records again, by new rules or newly known signatures; their received_at stays."""
        reader, received_ms = self._reader(batch.lane), batch.received_ms
        batch.candidates, batch.rejected = [], []
        batch.allowed, batch.received_ms = allowed, batch.floor_ms
        for chunk in chunks(batch.records):
            _validate(batch, chunk, reader)
            await asyncio.sleep(0)
        batch.received_ms = received_ms

    async def _identify_rest(
        self, batch: Batch, unknown: list[ValidCommand], memory: Memory
    ) -> None:
        """Read from Postgres what is not in memory, if anything; then the batch is ready."""
        known = {key: memory.segments.get(key) for key in map(segment_of, unknown)}
        missing = [key for key, segment in known.items() if segment is None]
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
        """Identify the commands whose people are not in memory. known: the segments of `unknown`."""
        if unknown and len(unknown) <= LITTLE and not batch.rejected and are_plain(unknown):
            identifiers = {(c.command.network_id, c.command.user) for c in unknown}
            found_people = await self._finding((memory, identifiers))
            identify(batch, unknown, known, by_name(found_people))
            unknown = []
        if unknown or batch.odd or batch.rejected:
            people, forgotten = memory.people, memory.people.forgotten
            async with self._database.transaction() as connection:
                found_people = await identify_rest(connection, batch, unknown, known, people)
            people.remember(forgotten, found_people)

    async def _find_people(
        self, queries: Sequence[tuple[Memory, set[Identifier]]]
    ) -> Sequence[dict[Identifier, Person]]:
        """Find or make the people of several batches, in one query for each memory."""
        answers: dict[int, dict[Identifier, Person]] = {}
        for memory in {id(one): one for one, _ in queries}.values():
            people, forgotten = memory.people, memory.people.forgotten
            identifiers = set().union(*(some for one, some in queries if one is memory))
            async with self._database.single() as connection:
                found_people = await people.find(connection, identifiers)
            people.remember(forgotten, found_people)
            answers[id(memory)] = found_people
        return [answers[id(memory)] for memory, _ in queries]


def segment_of(candidate: ValidCommand) -> Which:
    """Return (network_id, segment_id) of a command."""
    return candidate.command.network_id, candidate.command.segment_id


def _validate(batch: Batch, records: Sequence[KafkaRecord], reader: Reader) -> list[ValidCommand]:
    """Validate the batch's next records and add them to what it holds; return the valid ones."""
    valid, refused, batch.received_ms = validate_records(
        records, batch.received_ms, batch.now_ms, reader, batch.allowed, batch.again
    )
    batch.candidates += valid
    batch.rejected += refused
    return valid


def chunks(records: Sequence[KafkaRecord]) -> Iterator[Sequence[KafkaRecord]]:
    """Split records, in their order, into what is validated in one go: CHUNK records, or fewer where they are long."""
    start, size = 0, 0
    for end, record in enumerate(records, 1):
        size += len(record.value or b"")
        if end - start == CHUNK or size >= CHUNK_BYTES:
            yield records[start:end]
            start, size = end, 0
    if start < len(records):
        yield records[start:]
