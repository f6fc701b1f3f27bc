"""Once a second: reads Kafka's end offsets, notes a quiet log, applies operators' changes, and commits offsets."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from service.kafka.topic_ids import topics_there
from service.postgres.database import statements
from service.postgres.incarnation import INCARNATION
from service.registry.command_topics import list_sources
from service.runtime.backoff import sleep_unless
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor
from service.runtime.telemetry import (
    INGEST_LAG,
    LANE_LAG,
    LANE_STOPPED,
    STOPPED_LANE,
    measures,
    set_gauge,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from service.ingest.consumer import LaneConsumer
    from service.ingest.lane_writer import LaneWriter
    from service.kafka.topic_ids import Topic
    from service.postgres.database import Database

log = get_logger("ingest.monitor")
SQL = statements("service.ingest.sql")
EVERY_SECONDS = 1.0
COMMIT_EVERY = 5
HANGING_AFTER = 30
# A broker that has just come back may not know a topic for a moment.
GONE_AFTER = 5
# Rounds between deletions of expired idempotency keys and signatures; while many remain, the next round continues.
FORGET_EVERY, FORGET_MANY = 60, 5000


class Monitor:
    """Monitors the lanes of one ingest process."""

    def __init__(
        self,
        database: Database,
        consumer: LaneConsumer,
        lanes: Mapping[TopicPartition, LaneWriter],
        subscribe: Callable[[Collection[str]], Awaitable[None]],
        saw: Callable[[str, int], None],
    ) -> None:
        """saw: called with the incarnation of Postgres and its newest erasure."""
        self._saw = saw
        self._subscribe = subscribe
        self._database = database
        self._settings = database.settings
        self._consumer = consumer
        self._lanes = lanes
        self._round = 0
        self._forget_in = 1
        self._hidden: dict[TopicPartition, int] = {}
        self._gone: dict[int, int] = {}  # rounds in which a lane's partition was not there

    async def run(self, stop: asyncio.Event) -> None:
        """Monitor until `stop` is set; a failed round is followed by the next."""
        await sleep_unless(stop, EVERY_SECONDS)  # nothing is assigned yet
        supervisor = Supervisor(stop, log, "lane monitoring delayed")
        await supervisor.run(self._look_after_lanes, EVERY_SECONDS)

    async def _look_after_lanes(self) -> None:
        self._round += 1
        async with asyncio.timeout(10):
            topics = await self._read_topics()
        if topics != self._consumer.subscription():
            await self._subscribe(topics)
        async with asyncio.timeout(10):
            await self._look(topics)
        if self._round % COMMIT_EVERY == 0:
            await self.commit()
        await self._forget_keys()

    async def commit(self) -> None:
        """Commit the stored offsets to Kafka, for tools that show consumer lag; the lane's row is the position."""
        offsets = {
            partition: lane.reached.next_offset
            for partition, lane in self._lanes.items()
            if lane.reached
            and lane.expected is not None
            and partition in self._consumer.assignment()
        }
        if offsets:
            with suppress(KafkaError):
                await self._consumer.commit(offsets)

    async def _forget_keys(self) -> None:
        self._forget_in -= 1
        if self._forget_in > 0:
            return
        async with self._database.transaction() as connection:
            keys = await connection.fetchval("SELECT segments.forget_keys()")
            signatures = await connection.fetchval("SELECT segments.forget_signatures()")
            accesses = await connection.fetchval("SELECT segments.forget_accesses()")
        self._forget_in = 1 if FORGET_MANY in (keys, signatures, accesses) else FORGET_EVERY

    async def _read_topics(self) -> set[str]:
        """Read the topics to subscribe to; close the lanes of closed ones once no longer subscribed."""
        async with self._database.transaction() as connection:
            # In each round, because an idle lane has no append that would notice.
            which = await connection.fetchrow(SQL["incarnation"])
            assert which is not None  # noqa: S101 - it asks no table for a row
            self._saw(*which)
            sources = await list_sources(connection, self._settings)
            closed = {source.topic for source in sources if source.change == "closed"}
            if closed and closed.isdisjoint(self._consumer.subscription()):
                await connection.execute(SQL["close_lanes"], list(closed))
        return {source.topic for source in sources} - closed

    async def _look(self, topics: Collection[str]) -> None:
        lanes = {
            partition: lane
            for partition, lane in self._lanes.items()
            if lane.opened is not None and partition in self._consumer.assignment()
        }
        there = await topics_there(self._consumer._client, topics)  # noqa: SLF001
        gone = await self._stop_gone(topics, there)
        if not lanes:
            _set_gauges({}, gone)
            return
        # The time before the request: records received before it are below the returned offsets.
        requested_at = datetime.now(UTC)
        ends = await self._consumer.end_offsets(list(lanes))
        async with self._database.transaction() as connection:
            incarnation = await connection.fetchval(INCARNATION)
            # In another incarnation of Postgres the same lane_id may be another lane.
            lanes = {
                partition: lane
                for partition, lane in lanes.items()
                if lane.opened is not None and lane.opened.incarnation == incarnation
            }
            rows = await connection.fetch(SQL["open_lanes"], list(topics))
            by_partition = {(row["topic"], row["partition"]): row for row in rows}
            all_open = self._all_open(topics, by_partition)
            reading = [
                lane for lane in lanes.values() if lane.opened and not lane.opened.stopped_because
            ]
            await connection.execute(
                SQL["see_lanes"],
                [lane.opened.lane_id for lane in reading if lane.opened],
                [ends[lane.partition] for lane in reading],
                [
                    requested_at if all_open and not self._hides(lane.partition, ends) else None
                    for lane in reading
                ],
            )
        lags, stopped = self._compare(lanes, ends, by_partition, there)
        _set_gauges(lags, gone | stopped)

    async def _stop_gone(
        self, topics: Collection[str], there: Mapping[str, Topic | None]
    ) -> set[TopicPartition]:
        """Stop lanes whose partitions no longer exist in Kafka, which no process is assigned; return them.

        there: the topics in Kafka.
        """
        async with self._database.single() as connection:
            rows = await connection.fetch(SQL["open_lanes"], list(topics))
            gone = {row["lane_id"]: row for row in rows if _gone(row, there)}
            self._gone = {lane_id: self._gone.get(lane_id, 0) + 1 for lane_id in gone}
            gone = {i: row for i, row in gone.items() if self._gone[i] >= GONE_AFTER}
            for lane_id, row in gone.items():
                if row["stopped_because"] is None:
                    because = _gone(row, there)
                    await connection.execute(
                        SQL["stop_lane"], lane_id, because, row["next_offset"], row["incarnation"]
                    )
                    lane = TopicPartition(row["topic"], row["partition"])
                    log.error("lane stopped", lane=str(lane), because=because)
        return {TopicPartition(row["topic"], row["partition"]) for row in gone.values()}

    def _all_open(self, topics: Collection[str], rows: Mapping[tuple[str, int], Any]) -> bool:
        """Whether each partition has a lane: without one its records would be missing below the watermark."""
        return all(
            (topic, number) in rows
            for topic in topics
            for number in self._consumer.partitions_for_topic(topic) or ()
        )

    def _hides(self, partition: TopicPartition, stable: Mapping[TopicPartition, int]) -> bool:
        """Whether an open transaction hides records behind the last stable offset."""
        if partition not in self._consumer.assignment():
            return True  # revoked during the request, so unknown
        high = self._consumer.highwater(partition)
        return high is not None and high > stable[partition]

    def _compare(
        self,
        lanes: Mapping[TopicPartition, LaneWriter],
        ends: Mapping[TopicPartition, int],
        rows: Mapping[tuple[str, int], Any],
        there: Mapping[str, Topic | None],
    ) -> tuple[dict[TopicPartition, int], set[TopicPartition]]:
        """Open lanes again whose row or topic has changed; return each one's lag in records, and the stopped ones."""
        lags: dict[TopicPartition, int] = {}
        stopped: set[TopicPartition] = set()
        for partition, lane in lanes.items():
            row = rows.get((partition.topic, partition.partition))
            if row is None or lane.opened is None:
                continue
            hides = self._hides(partition, ends)
            lags[partition] = max(self._end(partition, ends[partition]) - row["next_offset"], 0)
            if row["stopped_because"] is not None:
                stopped.add(partition)
            was = (lane.opened.lane.epoch, lane.opened.stopped_because)
            topic = there.get(partition.topic)
            is_another = topic is not None and topic.is_another(lane.opened.topic_id)
            if was != (row["epoch"], row["stopped_because"]) or (is_another and was[1] is None):
                lane.look_again()
            self._count_rounds(partition, ends[partition], hides=hides)
        return lags, stopped

    def _end(self, partition: TopicPartition, stable: int) -> int:
        """Return the end of the partition, including records hidden by open transactions."""
        if partition not in self._consumer.assignment():
            return stable
        return max(self._consumer.highwater(partition) or 0, stable)

    def _count_rounds(self, partition: TopicPartition, stable: int, *, hides: bool) -> None:
        """Log when a hanging transaction hides committed records."""
        rounds = self._hidden[partition] = self._hidden.get(partition, 0) + 1 if hides else 0
        if rounds == HANGING_AFTER:
            end = self._end(partition, stable)
            log.error(
                "a hanging transaction hides records", lane=str(partition), stable=stable, end=end
            )


def _set_gauges(lags: Mapping[TopicPartition, int], stopped: Collection[TopicPartition]) -> None:
    """Expose each lane's lag in records, which lanes are stopped, and both in total."""
    set_gauge(INGEST_LAG, sum(lags.values()))
    set_gauge(LANE_STOPPED, len(stopped))
    for metric, values in ((LANE_LAG, lags), (STOPPED_LANE, dict.fromkeys(stopped, 1))):
        measures(metric)
        metric.clear()  # of lanes that another process reads now
        for (topic, partition), value in values.items():
            metric.labels(topic, partition).set(value)


def _gone(row: Any, there: Mapping[str, Topic | None]) -> str | None:
    """Return why a lane can't be read if its partition is missing, else None."""
    topic = there[row["topic"]]
    if topic is not None and row["partition"] in topic.partitions:
        return None
    what = (
        "there is no such topic any more"
        if topic is None
        else f"the topic has {len(topic.partitions)} partitions and this one no more: it was remade"
    )
    return (
        f"{what}, or is another Kafka's. Once the topic is the right one, go on with"
        " `segments lane adopt --all --reason …`, which closes the lanes that it does not have"
    )
