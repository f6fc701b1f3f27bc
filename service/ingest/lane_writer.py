"""One lane: prepares batch k+1 while Postgres stores batch k, and opens again after it has lost its position."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from service.ingest.lane_counter import LaneCounter
from service.ingest.leader_epochs import LeaderEpochs
from service.ingest.open_lane import OpenLane, Reached, note_reread, open_lane
from service.ingest.unblock import unblock
from service.log.append_many import LITTLE
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.errors import LaneLostError, LaneStoppedError, NotSetUpError
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor
from service.runtime.telemetry import BATCH_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiokafka import TopicPartition

    from service.ingest.consumer import LaneConsumer
    from service.log.append import Appender
    from service.log.batch import Batch, Stored
    from service.postgres.database import Database

_T = TypeVar("_T")
log = get_logger("ingest.lane")
# A lane accepts records while less than this waits, about 4,000 ordinary records. In bytes, so that memory does not
# depend on the length of records; the consumer limits the total of all lanes.
ROOM_BYTES = 5 * 512 * 1024
# Smaller batches do not count against the limit of batches in memory.
LITTLE_BYTES = 128 * 1024


class LaneWriter:
    """An assigned partition; `run` until it is revoked."""

    def __init__(
        self,
        partition: TopicPartition,
        consumer: LaneConsumer,
        appender: Appender,
        database: Database,
        slots: asyncio.Semaphore,
        batches: asyncio.Semaphore,
        appended: Callable[[], None],
        reached: Reached | None,
    ) -> None:
        """slots, batches: shared by lanes, for appends and memory. appended: at a commit. reached: earlier, if ever."""
        self.partition = partition
        self.expected: int | None = None
        self.session = 0
        self.reached = reached
        self.opened: OpenLane | None = None
        self._consumer = consumer
        self._appender = appender
        self._database = database
        self._settings = database.settings
        self._slots = slots
        self._batches = batches
        self._appended = appended
        self._held = 0  # places for batches
        self._pending: deque[Any] = deque()
        self._pending_bytes = 0
        self._fed = asyncio.Event()
        self._again = asyncio.Event()
        self._storing = asyncio.Lock()
        self._counter = LaneCounter(partition)
        self._leaders = LeaderEpochs()
        # Never set: a waiting task is cancelled.
        self._supervisor = Supervisor(
            asyncio.Event(),
            log,
            "waiting",
            level="warning",
            logs_recovery=True,
            lane=str(partition),
        )

    @property
    def waiting_bytes(self) -> int:
        """The approximate size of the waiting records."""
        return self._pending_bytes

    @property
    def has_room(self) -> bool:
        """Whether the waiting records are below the limit."""
        return self._pending_bytes < ROOM_BYTES

    def feed(self, session: int, records: Sequence[Any]) -> None:
        """Accept records, in offset order; those fetched before the lane was opened again are dropped."""
        if session != self.session or self.expected is None or not records:
            return
        if records[0].offset < self.expected:
            raise AssertionError(
                f"{self.partition}: fed {records[0].offset}, expected {self.expected}"
            )
        if self._wrote_another(records):
            return
        self._pending.extend(records)
        self._pending_bytes += _memory(records)
        self.expected = records[-1].offset + 1
        self._fed.set()

    def _wrote_another(self, records: Sequence[Any]) -> bool:
        """Open the lane again and compare its last record, if the partition may hold another one; return whether."""
        why = self._leaders.doubt_about(records[0].leader_epoch, records[-1].leader_epoch)
        if why is None:
            return False
        log.info("the last record is compared again", lane=str(self.partition), because=why)
        self.look_again()
        return True

    def feed_tail(self, next_offset: int) -> None:
        """Note that [expected, next_offset) has no records."""
        if self._leaders.in_doubt:
            self.look_again()
            return
        self.expected = next_offset
        self._fed.set()

    def doubt(self) -> None:
        """Compare the last record before accepting more, because the connection to its broker broke."""
        self._leaders.in_doubt = True

    def look_again(self) -> None:
        """Open the lane again, because an operator changed its row or its offset is out of range."""
        self.expected = None
        self._again.set()

    async def run(self) -> None:
        """Open the lane and work until cancelled; faults of the infrastructure are retried."""
        while True:
            self._again.clear()
            self._leaders.in_doubt = False
            self.opened = await self._tried(self._open)
            self._appender.saw(self.opened.incarnation, self.opened.erased_to)
            await self._note_reread(self.opened)
            self.reached = Reached(self.opened.incarnation, self.opened.next_offset)
            if self.opened.stopped_because is not None:
                log.error(
                    "lane stopped", lane=str(self.partition), because=self.opened.stopped_because
                )
                await self._again.wait()
                continue
            self._start_reading(self.opened)
            with suppress(LaneLostError, LaneStoppedError):
                await self._work(self.opened)
            self.expected = None
            self._drop()

    async def _note_reread(self, opened: OpenLane) -> None:
        """Log and record how much is read again, if Postgres came back in an older state."""
        before = self.reached
        if before is None or before.incarnation == opened.incarnation:
            return
        if (was := before.next_offset) > opened.next_offset:
            log.warning(
                "the log is shorter than before", lane=str(self.partition), was=was, now=opened.next_offset,
            )  # fmt: skip
            await self._tried(lambda: note_reread(self._database, opened, was))

    async def drain(self, seconds: float) -> None:
        """Wait for the append in progress, so that it is not cancelled."""
        self.expected = None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._storing:
                pass

    async def _open(self) -> OpenLane:
        try:
            return await open_lane(self._database, self.partition)
        except asyncpg.UndefinedTableError as error:
            raise NotSetUpError from error

    async def _tried(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Retry work until it succeeds."""
        while True:
            try:
                result = await work()
            except INFRASTRUCTURE as error:
                await self._supervisor.wait(error)
            else:
                self._supervisor.succeeded()
                return result

    def _drop(self) -> None:
        """Drop waiting records; they are read again."""
        self._pending.clear()
        self._pending_bytes = 0
        self._fed.clear()

    def _start_reading(self, opened: OpenLane) -> None:
        self._drop()
        self._leaders.compared(opened.leader_epoch)
        self.session += 1
        self.expected = opened.next_offset
        self._consumer.seek(self.partition, opened.next_offset)
        self._consumer.resume(self.partition)
        self._consumer.room.set()

    async def _work(self, opened: OpenLane) -> None:
        ready: asyncio.Queue[tuple[Batch, bool]] = asyncio.Queue(maxsize=1)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._prepare(opened, ready))
                tasks.create_task(self._store(opened, ready))
                tasks.create_task(self._wait_for_operator())
        except ExceptionGroup as group:
            # Both tasks may fail for the same cause; one error is enough.
            raise group.exceptions[0] from None
        finally:
            while self._held:
                self._give_back()

    def _give_back(self) -> None:
        """Release the place of a batch that is stored or dropped."""
        self._held -= 1
        self._batches.release()

    async def _wait_for_operator(self) -> None:
        await self._again.wait()
        raise LaneStoppedError

    async def _prepare(self, opened: OpenLane, ready: asyncio.Queue[tuple[Batch, bool]]) -> None:
        start, floor_ms = opened.next_offset, opened.received_ms
        while True:
            await self._fed.wait()
            # A small batch needs no place: it takes hardly any memory, and is stored with those of other lanes.
            has_place = len(self._pending) > LITTLE or self._pending_bytes > LITTLE_BYTES
            if has_place:
                await self._batches.acquire()
                self._held += 1
            records, next_offset = self._take(start)
            if next_offset == start:
                if has_place:
                    self._give_back()
                continue
            batch = await self._tried(
                lambda n=next_offset, r=records, s=start, f=floor_ms: self._appender.prepare(  # type: ignore[misc]
                    opened.lane, opened.lane_id, s, n, r, f, opened.incarnation
                ),
            )
            start, floor_ms = next_offset, batch.received_ms
            await ready.put((batch, has_place))

    def _take(self, start: int) -> tuple[list[Any], int]:
        """Take the next batch: its records, and the offset where it ends."""
        pending = self._pending
        count = min(len(pending), self._settings.ingest_batch_records)
        records = [pending.popleft() for _ in range(count)]
        self._pending_bytes -= _memory(records)
        self._consumer.room.set()
        if pending:
            return records, records[-1].offset + 1
        self._fed.clear()
        return records, start if self.expected is None else self.expected

    async def _store(self, opened: OpenLane, ready: asyncio.Queue[tuple[Batch, bool]]) -> None:
        while True:
            batch, has_place = await ready.get()
            stored = await self._store_together(batch) or await self._store_alone(batch)
            if has_place:
                self._give_back()
            self._appended()
            self.reached = Reached(opened.incarnation, stored.next_offset)
            self._counter.count(batch, stored)

    async def _store_together(self, batch: Batch) -> Stored | None:
        async with self._storing:
            began = time.perf_counter()
            stored = await self._appender.store_together(batch)
            if stored is not None:
                BATCH_SECONDS.labels("store").observe(time.perf_counter() - began)
        return stored

    async def _store_alone(self, batch: Batch) -> Stored:
        async with self._slots, self._storing:
            began = time.perf_counter()
            stored = await self._tried(lambda: self._store_unblocked(batch))
            BATCH_SECONDS.labels("store").observe(time.perf_counter() - began)
        return stored

    async def _store_unblocked(self, batch: Batch) -> Stored:
        async with unblock(self._settings, batch.lane_id):
            return await self._appender.store_alone(batch)


def _memory(records: Sequence[Any]) -> int:
    """Estimate the memory of records."""
    return sum([record.memory for record in records])
