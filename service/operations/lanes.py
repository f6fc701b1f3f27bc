"""Adoption of lanes whose topic was remade; recorded in the log."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from service.ingest.open_lane import find_other_id, find_other_records
from service.kafka.clients import reading
from service.kafka.topic_ids import topics_there
from service.postgres.database import statements
from service.registry.command_topics import read_topics
from service.runtime.errors import NotThereError, RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import asyncpg
    from aiokafka import AIOKafkaConsumer

    from service.kafka.topic_ids import Topic
    from service.postgres.database import Database
    from service.runtime.settings import Settings

ROLE = "segments_operate"
LOOK_SECONDS = 10
_NO_TOPIC = "Kafka has no topic {topic}; make it (`segments setup`), or name the right Kafka"
SQL = statements("service.operations.sql")


async def list_lanes(
    connection: asyncpg.Connection[Any], *, history: bool = False
) -> list[asyncpg.Record]:
    """List lanes, rows of reporting.lane; or what was done to lanes and why each stopped, oldest first."""
    return await connection.fetch(SQL["lane_history" if history else "list_lanes"])


async def stopped_open_lanes(
    connection: asyncpg.Connection[Any], topics: Sequence[str]
) -> list[str]:
    """Name the open lanes of some topics that are stopped."""
    return [row["lane"] for row in await connection.fetch(SQL["stopped_lanes"], topics)]


async def adopt(
    database: Database,
    partition: TopicPartition,
    start: int | None,
    reason: str,
    actor: str | None,
    *,
    force: bool = False,
) -> dict[str, Any]:
    """Begin a new epoch of a partition whose topic was remade, truncated or outran its retention.

    start: the offset to continue from; None: the earliest available. The offsets before it, from the topic's first
    offset or the log's position if that is lower, become a hole of the new epoch; two holes if retention removed some
    of them. A stopped lane whose topic is what the log has read resumes in its epoch at its position, unless `start` is
    set.
    force: also if the topic still contains what the log has read.
    Returns: kafka_topic, kafka_partition, kafka_epoch, first_offset, next_offset.
    Raises: NotThereError, RefusedError; KafkaConnectionError if Kafka does not respond.
    """
    async with database.transaction() as connection:
        old = await open_row(connection, partition)
    async with _looking(database.settings) as reader:
        topic = (await topics_there(reader._client, [partition.topic]))[partition.topic]  # noqa: SLF001
        if topic is None:
            raise RefusedError(f"{_NO_TOPIC.format(topic=partition.topic)}, then adopt.")
        if partition.partition not in topic.partitions:
            raise RefusedError(
                f"{partition.topic} has {len(topic.partitions)} partitions, and no partition {partition.partition}."
                " `segments lane adopt --all --reason …` closes the lanes of missing partitions."
            )
        reader.assign([partition])
        seen = await _see(reader, partition, old, topic)
    if seen.fault is None and start is None and not force and old["stopped_because"] is not None:
        return await _end_stop(database, partition, old["lane_id"], "resumed", reason, actor)
    start = seen.begin if start is None else start
    last = old["last_offset"]
    if seen.is_as_read and not force and last is not None and start <= last:
        raise RefusedError(
            "The topic still contains what the log has read. Commands without a time would count twice if they were"
            " read again. --force adopts it nevertheless."
        )
    if not seen.begin <= start <= seen.end:
        raise RefusedError(
            f"The topic has offsets {seen.begin} to {seen.end}; {start} is not one of them."
        )
    return await _adopt(database, partition, seen, start, reason, actor)


async def adopt_all(database: Database, reason: str, actor: str | None) -> list[dict[str, Any]]:
    """Resume every lane that is stopped, or would stop when it is opened.

    If the topic is another one, the lane begins a new epoch at the earliest offset, or at the log's position if the
    topic is a copy with the log's last record at its offset. If the topic is what the log has read, the lane resumes at
    its position. If the topic lacks the partition, the lane is closed, and no watermark waits for it any more. Lanes of
    a missing topic are left as they are.
    Returns: for each such lane kafka_topic, kafka_partition, kafka_epoch, first_offset, next_offset, and `done`:
    adopted, resumed, closed, or `left: …`.
    Raises: KafkaConnectionError if Kafka does not respond.
    """
    async with database.transaction() as connection:
        rows = await connection.fetch(
            SQL["open_lanes"], await read_topics(connection, database.settings)
        )
    lanes = {TopicPartition(row["topic"], row["partition"]): row for row in rows}
    done = []
    async with _looking(database.settings) as reader:
        there = await topics_there(reader._client, {lane.topic for lane in lanes})  # noqa: SLF001
        present = [lane for lane in lanes if _has(there[lane.topic], lane)]
        reader.assign(present)
        for lane, row in lanes.items():
            topic = there[lane.topic]
            if topic is None:
                result = _lane_row(lane, row) | {
                    "done": f"left: {_NO_TOPIC.format(topic=lane.topic)}"
                }
            elif not _has(topic, lane):
                result = await _end_stop(database, lane, row["lane_id"], "closed", reason, actor)
                result["done"] = "closed"
            else:
                seen = await _see(reader, lane, row, topic)
                if seen.fault is not None:
                    is_copy = seen.is_as_read and (row["last_offset"] or -1) >= seen.begin
                    start = row["next_offset"] if is_copy else seen.begin
                    result = await _adopt(database, lane, seen, start, reason, actor)
                    result["done"] = "adopted"
                elif row["stopped_because"] is not None:
                    result = await _end_stop(
                        database, lane, row["lane_id"], "resumed", reason, actor
                    )
                    result["done"] = "resumed"
                else:
                    continue
            done.append(result)
    return done


class _Seen(NamedTuple):
    """A partition in Kafka, compared with its lane; fault: why the lane can't continue, or None.

    is_as_read: it contains what the log has read, except records that aged out. The topic may still be another one.
    """

    topic: Topic
    begin: int
    end: int
    fault: str | None
    is_as_read: bool


@asynccontextmanager
async def _looking(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Run a consumer for a few seconds; raise KafkaConnectionError if Kafka does not respond."""
    async with reading(settings) as reader:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                yield reader
        except TimeoutError as error:
            raise KafkaConnectionError(
                f"{settings.kafka_bootstrap_servers}: no answer within {LOOK_SECONDS} s"
            ) from error


async def _see(
    reader: AIOKafkaConsumer, lane: TopicPartition, row: asyncpg.Record, topic: Topic
) -> _Seen:
    begin = (await reader.beginning_offsets([lane]))[lane]
    end = (await reader.end_offsets([lane]))[lane]
    fault = await find_other_records(reader, lane, row, begin, end)
    is_as_read = fault is None
    return _Seen(topic, begin, end, fault or find_other_id(lane, row, topic, begin), is_as_read)


async def _adopt(
    database: Database,
    partition: TopicPartition,
    seen: _Seen,
    start: int,
    reason: str,
    actor: str | None,
) -> dict[str, Any]:
    """Begin a new epoch at `start`."""
    async with database.transaction() as connection:
        old = await open_row(connection, partition)
        first = min(seen.begin, old["next_offset"], start)
        await connection.execute(SQL["close_lane"], old["lane_id"])
        await connection.fetchval(
            SQL["adopt_lane"], old["lane_id"], first, start, reason, actor, old["now"], seen.begin,
            seen.topic.topic_id,
        )  # fmt: skip
    return {
        "kafka_topic": partition.topic,
        "kafka_partition": partition.partition,
        "kafka_epoch": old["epoch"] + 1,
        "first_offset": first,
        "next_offset": start,
    }


async def _end_stop(
    database: Database,
    partition: TopicPartition,
    lane_id: int,
    action: Literal["resumed", "closed"],
    reason: str,
    actor: str | None,
) -> dict[str, Any]:
    """Resume a stopped lane at its position, or close it; if its partition comes back, a new epoch begins."""
    async with database.transaction() as connection:
        row = await open_row(connection, partition)
        await connection.execute(
            SQL["resume_lane"] if action == "resumed" else SQL["close_lane"], lane_id
        )
        await connection.execute(SQL["note_lane"], lane_id, action, reason, actor)
    return _lane_row(partition, row)


def _lane_row(lane: TopicPartition, row: asyncpg.Record) -> dict[str, Any]:
    return {
        "kafka_topic": lane.topic,
        "kafka_partition": lane.partition,
        "kafka_epoch": row["epoch"],
        "first_offset": row["first_offset"],
        "next_offset": row["next_offset"],
    }


def _has(topic: Topic | None, lane: TopicPartition) -> bool:
    return topic is not None and lane.partition in topic.partitions


async def open_row(
    connection: asyncpg.Connection[Any], partition: TopicPartition
) -> asyncpg.Record:
    """Lock a partition's open lane until the end of the transaction, and return its row. Raises: NotThereError."""
    row: asyncpg.Record | None = await connection.fetchrow(SQL["lock_open_lane"], *partition)
    if row is None:
        raise NotThereError(f"There is no lane {partition.topic}-{partition.partition}.")
    return row
