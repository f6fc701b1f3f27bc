"""aiokafka's consumer, adapted to lanes: it fetches only for lanes with room, and skips no offset silently."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, OffsetOutOfRangeError

from service.kafka.aiokafka_internals import TURN_BYTES, on_connection_lost
from service.kafka.login import refused
from service.runtime.denied import DENIED
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

log = get_logger("ingest.consumer")
# How long a fetch waits for records before tails without records are checked.
POLL_SECONDS = 0.2
# How much the broker gathers for a response, and for how long, while records arrive; not for the first after a pause.
GATHER_BYTES, GATHER_MS = 16 * 1024, 6
# The memory for waiting records, and the size of one fetch; both are shared by all lanes.
HELD_BYTES = 16 * 1024 * 1024
FETCH_BYTES, PARTITION_BYTES = 8 * 1024 * 1024, 1024 * 1024
LEAST_PARTITION_BYTES = 64 * 1024
# After this time without room the partitions are paused, so that polling continues and the group keeps this member.
STALL_SECONDS = 0.25


class LaneInput(Protocol):
    """The consumer's interface to a lane. expected: the next offset to feed; None while it accepts nothing."""

    expected: int | None
    session: int

    @property
    def has_room(self) -> bool:
        """Whether it accepts more now."""

    @property
    def waiting_bytes(self) -> int:
        """The approximate size of the records that wait for validation."""

    def feed(self, session: int, records: Sequence[Any]) -> None:
        """Accept records, in offset order; those of an earlier session are dropped."""

    def feed_tail(self, next_offset: int) -> None:
        """Note that [expected, next_offset) has no records."""

    def doubt(self) -> None:
        """Compare the last record before accepting more."""

    def look_again(self) -> None:
        """Open the lane again, because its offset is out of the topic's range."""


class LaneConsumer(AIOKafkaConsumer):
    """Feeds lanes. The ingest role sets `lanes`, `room` and `fail` after construction."""

    lanes: Mapping[TopicPartition, LaneInput]
    room: asyncio.Event  # set by a lane that has room again
    fail: Callable[[BaseException], None]  # ends the process

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lanes = {}
        self.room = asyncio.Event()
        self._sessions: dict[TopicPartition, int] = {}
        self._stalled: set[TopicPartition] = set()
        self._has_fetched = False
        on_connection_lost(self._client, self._doubt)

    async def getmany(
        self, *_partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Any]]:
        """Return records of lanes with room, after feeding tails without records to their lanes."""
        del timeout_ms
        # FastStream calls this after its handler has ended, so all earlier records are fed by now.
        await self._feed_tails()
        partitions = self._with_room()
        if not partitions:
            return await self._wait_for_room(max_records)
        return await self._fetch(partitions, int(POLL_SECONDS * 1000), max_records)

    async def _fetch(
        self, partitions: Sequence[TopicPartition], timeout_ms: int, max_records: int | None
    ) -> dict[TopicPartition, list[Any]]:
        try:
            batches: dict[TopicPartition, list[Any]] = await super().getmany(
                *partitions, timeout_ms=timeout_ms, max_records=max_records
            )
        except OffsetOutOfRangeError as error:
            self._rewind()
            for partition in error.args[0]:
                if partition in self.lanes:
                    self.lanes[partition].look_again()
            return {}
        except Exception as error:
            # aiokafka may have taken records of one partition before the error of another; they are fetched again.
            self._rewind()
            # FastStream retries without logging. Without authorization from the start, the process ends.
            log.error("a fetch failed", error=f"{type(error).__name__}: {error}")  # noqa: TRY400 - no trace
            if isinstance(error, DENIED) and not self._has_fetched:
                self.fail(refused(error))
            raise
        self._has_fetched = self._has_fetched or bool(batches)
        self._sessions = {tp: self.lanes[tp].session for tp in batches if tp in self.lanes}
        self._pace(busy=bool(batches))
        return batches

    def _doubt(self, broker: int) -> None:
        """Have lanes of a broker compared again: it may return with the same leader epochs and other records."""
        for partition, lane in self.lanes.items():
            if self._client.cluster.leader_for_partition(partition) in {broker, None, -1}:
                lane.doubt()

    def _pace(self, *, busy: bool) -> None:
        """While records arrive, let the broker gather some for each response, because each response has a cost."""
        fetcher = self._fetcher
        if fetcher is None:
            return  # stopped
        bytes_, wait_ms = (GATHER_BYTES, GATHER_MS) if busy else (1, int(POLL_SECONDS * 1000))
        fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms = bytes_, wait_ms  # noqa: SLF001 - read for each request
        share = min(PARTITION_BYTES, FETCH_BYTES // (len(self.lanes) or 1))
        fetcher._max_partition_fetch_bytes = max(LEAST_PARTITION_BYTES, share)  # noqa: SLF001 - the same

    def hand_over(self, batches: Mapping[TopicPartition, Sequence[Any]]) -> None:
        """Feed the records of getmany to their lanes. A lane opened again in between drops and rereads them."""
        for partition, records in batches.items():
            lane = self.lanes.get(partition)
            session = self._sessions.pop(partition, None)
            if lane is not None and session is not None:
                lane.feed(session, records)
        if self._sessions:
            raise AssertionError(
                f"records were fetched and not handed over: {sorted(self._sessions)}"
            )

    def _with_room(self) -> list[TopicPartition]:
        paused = self.paused()
        partitions = []
        for partition, lane in self.lanes.items():
            if lane.expected is None or not lane.has_room or not self._is_assigned(partition):
                continue
            if partition in paused:
                self.resume(partition)
            partitions.append(partition)
        self._stalled.difference_update(partitions)
        return self._within_bounds(partitions)

    def _within_bounds(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Return all partitions, or as many with prefetched records as the memory limit allows."""
        held = sum(lane.waiting_bytes for lane in self.lanes.values())
        turns = max(HELD_BYTES - held, 0) // TURN_BYTES
        fetched = self._fetcher._records if self._fetcher is not None else {}  # noqa: SLF001 - in the order of arrival
        waiting = [partition for partition in fetched if partition in partitions]
        return partitions if len(waiting) <= turns else waiting[:turns]

    def _is_assigned(self, partition: TopicPartition) -> bool:
        return partition in self.assignment()

    async def _feed_tails(self) -> None:
        if self._sessions:
            raise AssertionError(
                f"records were fetched and not handed over: {sorted(self._sessions)}"
            )
        for partition, lane in list(self.lanes.items()):
            if lane.expected is None or not self._is_assigned(partition):
                continue
            with suppress(IllegalStateError):
                position = await self.position(partition)
                if position > lane.expected:
                    lane.feed_tail(position)

    def _rewind(self) -> None:
        for partition, lane in self.lanes.items():
            if lane.expected is not None and self._is_assigned(partition):
                self.seek(partition, lane.expected)

    async def _wait_for_room(self, max_records: int | None) -> dict[TopicPartition, list[Any]]:
        self.room.clear()
        if not self._with_room():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.room.wait(), STALL_SECONDS)
                return {}
            assigned = [tp for tp in self.lanes if self._is_assigned(tp)]
            if assigned:
                # A long stall, for example while the database is away. Pausing drops prefetched records, but polling
                # continues, which keeps the membership in the group.
                self._warn_of_stall(assigned)
                self.pause(*assigned)
            # A lane may open or get room meanwhile. Its records are returned, or they would pass as a hole.
            return await self._fetch((), 10, max_records)
        return {}

    def _warn_of_stall(self, partitions: Sequence[TopicPartition]) -> None:
        """Log once that lanes are full; lanes that are not open, or stopped, do not count."""
        lanes = {tp: self.lanes[tp] for tp in partitions}
        full = {tp for tp, lane in lanes.items() if lane.expected is not None and not lane.has_room}
        if not self._stalled.issuperset(full):
            log.warning("no lane has room: partitions paused", partitions=len(full))
        self._stalled.update(full)
