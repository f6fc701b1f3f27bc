"""aiokafka's consumer as the lanes need it: it takes only what they have room for, and never skips unseen."""

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
# How long one fetch waits for records. Until then tails without records are looked at.
POLL_SECONDS = 0.2
# How much the broker gathers while records come, and for how long; the first one after a pause comes at once.
GATHER_BYTES, GATHER_MS = 16 * 1024, 6
# What all lanes together may hold back, records and all; and what one fetch may bring. They share it: many lanes get
# little each.
HELD_BYTES = 16 * 1024 * 1024
FETCH_BYTES, PARTITION_BYTES = 8 * 1024 * 1024, 1024 * 1024
LEAST_PARTITION_BYTES = 64 * 1024
# Without room for so long, the partitions are paused, so that polling goes on and the group keeps us.
STALL_SECONDS = 0.25


class Intake(Protocol):
    """A lane as the consumer sees it. expected: the offset to be fed next; None while it takes nothing."""

    expected: int | None
    session: int

    @property
    def has_room(self) -> bool:
        """Whether it takes more now."""

    @property
    def waiting_bytes(self) -> int:
        """How much it has taken and not judged yet, about."""

    def feed(self, session: int, records: Sequence[Any]) -> None:
        """Take records, in offset order; those of an earlier session are dropped."""

    def feed_tail(self, next_offset: int) -> None:
        """Take notice that no record lies in [expected, next_offset)."""

    def doubt(self) -> None:
        """Compare the last record before anything more is taken."""

    def look_again(self) -> None:
        """Open the lane anew: its offset is out of the topic's range."""


class LaneConsumer(AIOKafkaConsumer):
    """Feeds lanes. `lanes`, `room` and `fail` are given by the ingest once the consumer is made."""

    lanes: Mapping[TopicPartition, Intake]
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
        """Give records of lanes with room; meanwhile tell lanes of tails that hold no records."""
        del timeout_ms
        # All that was given before has been fed by now: FastStream asks again only after its handler ended.
        await self._tell_tails()
        wanted = self._with_room()
        if not wanted:
            return await self._wait_for_room(max_records)
        return await self._fetch(wanted, int(POLL_SECONDS * 1000), max_records)

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
            # Records of one partition may have been taken before another one's error: they were not given.
            self._rewind()
            # FastStream tries again, and tells nobody. Who was never let in can do nothing but say so.
            log.error("a fetch failed", error=f"{type(error).__name__}: {error}")  # noqa: TRY400 - no trace
            if isinstance(error, DENIED) and not self._has_fetched:
                self.fail(refused(error))
            raise
        self._has_fetched = self._has_fetched or bool(batches)
        self._sessions = {tp: self.lanes[tp].session for tp in batches if tp in self.lanes}
        self._pace(busy=bool(batches))
        return batches

    def _doubt(self, broker: int) -> None:
        """Have lanes of a broker compared again: it may come back with the same leader epochs, and other records."""
        for partition, lane in self.lanes.items():
            if self._client.cluster.leader_for_partition(partition) in {broker, None, -1}:
                lane.doubt()

    def _pace(self, *, busy: bool) -> None:
        """While records come, let the broker gather some for each answer: one for each record would cost us more."""
        fetcher = self._fetcher
        if fetcher is None:
            return  # stopped
        bytes_, wait_ms = (GATHER_BYTES, GATHER_MS) if busy else (1, int(POLL_SECONDS * 1000))
        fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms = bytes_, wait_ms  # noqa: SLF001 - read for each request
        share = min(PARTITION_BYTES, FETCH_BYTES // (len(self.lanes) or 1))
        fetcher._max_partition_fetch_bytes = max(LEAST_PARTITION_BYTES, share)  # noqa: SLF001 - the same

    def hand_over(self, batches: Mapping[TopicPartition, Sequence[Any]]) -> None:
        """Feed what getmany gave to its lanes. A lane opened anew in between drops it and reads again."""
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
        wanted = []
        for partition, lane in self.lanes.items():
            if lane.expected is None or not lane.has_room or not self._is_ours(partition):
                continue
            if partition in paused:
                self.resume(partition)
            wanted.append(partition)
        self._stalled.difference_update(wanted)
        return self._within_bounds(wanted)

    def _within_bounds(self, wanted: list[TopicPartition]) -> list[TopicPartition]:
        """Leave out partitions whose records are here already, where all of them would be more than may be held."""
        held = sum(lane.waiting_bytes for lane in self.lanes.values())
        turns = max(HELD_BYTES - held, 0) // TURN_BYTES
        fetched = self._fetcher._records if self._fetcher is not None else {}  # noqa: SLF001 - in the order of arrival
        waiting = [partition for partition in fetched if partition in wanted]
        if len(waiting) <= turns:
            return wanted
        return waiting[:turns]

    def _is_ours(self, partition: TopicPartition) -> bool:
        return partition in self.assignment()

    async def _tell_tails(self) -> None:
        if self._sessions:
            raise AssertionError(
                f"records were fetched and not handed over: {sorted(self._sessions)}"
            )
        for partition, lane in list(self.lanes.items()):
            if lane.expected is None or not self._is_ours(partition):
                continue
            with suppress(IllegalStateError):
                position = await self.position(partition)
                if position > lane.expected:
                    lane.feed_tail(position)

    def _rewind(self) -> None:
        for partition, lane in self.lanes.items():
            if lane.expected is not None and self._is_ours(partition):
                self.seek(partition, lane.expected)

    async def _wait_for_room(self, max_records: int | None) -> dict[TopicPartition, list[Any]]:
        self.room.clear()
        if not self._with_room():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.room.wait(), STALL_SECONDS)
                return {}
            ours = [tp for tp in self.lanes if self._is_ours(tp)]
            if ours:
                # A long stall, as when the database is away. Paused, the partitions lose what was fetched ahead,
                # but polling goes on, and with it our place in the group.
                self._warn_of_stall(ours)
                self.pause(*ours)
            # A lane may open or get room meanwhile: what arrives for it is given, or it would pass as a hole.
            return await self._fetch((), 10, max_records)
        return {}

    def _warn_of_stall(self, partitions: Sequence[TopicPartition]) -> None:
        """Say once that lanes are full; one that is not open yet, or stopped, is not."""
        lanes = {tp: self.lanes[tp] for tp in partitions}
        full = {tp for tp, lane in lanes.items() if lane.expected is not None and not lane.has_room}
        if not self._stalled.issuperset(full):
            log.warning("no lane has room: partitions paused", partitions=len(full))
        self._stalled.update(full)
