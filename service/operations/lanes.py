"""What operators do to a lane whose topic was remade: go on. It is recorded."""

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

    start: the offset to go on from; None: the earliest there is. What lies before it, down to the topic's begin
    or to where the log stood if retention took more, is a hole of the new epoch; two, where retention took some of
    it and the rest was there to be read. A stopped lane whose topic is, after all, what the log has read goes on in
    its epoch where it stands, unless a start is given.
    force: also where the topic still holds what the log has read.
    Returns: kafka_topic, kafka_partition, kafka_epoch, first_offset, next_offset.
    Raises: NotThereError, RefusedError; KafkaConnectionError when Kafka does not answer.
    """
    async with database.transaction() as connection:
        old = await open_row(connection, partition)
    async with _looking(database.settings) as reader:
        topic = (await topics_there(reader._client, [partition.topic]))[partition.topic]  # noqa: SLF001
        if topic is None:
            raise RefusedError(f"{_NO_TOPIC.format(topic=partition.topic)}, then adopt.")
        if partition.partition not in topic.partitions:
            raise RefusedError(
                f"{partition.topic} has {len(topic.partitions)} partitions, and no {partition.partition}."
                " `segments lane adopt --all --reason …` closes the lanes that it does not have."
            )
        reader.assign([partition])
        seen = await _see(reader, partition, old, topic)
    if seen.fault is None and start is None and not force and old["stopped_because"] is not None:
        return await _end_stop(database, partition, old["lane_id"], "resumed", reason, actor)
    start = seen.begin if start is None else start
    last = old["last_offset"]
    if seen.is_as_read and not force and last is not None and start <= last:
        raise RefusedError(
            "The topic holds what the log has read; read anew, commands without a time would count twice."
            " If you know better, say --force."
        )
    if not seen.begin <= start <= seen.end:
        raise RefusedError(
            f"The topic holds offsets {seen.begin} to {seen.end}; {start} is not among them."
        )
    return await _adopt(database, partition, seen, start, reason, actor)


async def adopt_all(database: Database, reason: str, actor: str | None) -> list[dict[str, Any]]:
    """Let every lane go on that is stopped, or would stop when it is opened.

    One whose topic is another begins a new epoch at the earliest offset, or where the log stands if the topic is a copy
    that has the log's last record at its offset; one whose topic is what the log has read goes on where it stands; one
    that the topic does not have is closed, and no watermark waits for it any more. Of a topic that is not there at all
    nothing is closed.
    Returns: of each such lane kafka_topic, kafka_partition, kafka_epoch, first_offset, next_offset, and `done`:
    adopted, resumed, closed, or `left: …`.
    Raises: KafkaConnectionError when Kafka does not answer.
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
                told = _told(lane, row) | {"done": f"left: {_NO_TOPIC.format(topic=lane.topic)}"}
            elif not _has(topic, lane):
                told = await _end_stop(database, lane, row["lane_id"], "closed", reason, actor)
                told["done"] = "closed"
            else:
                seen = await _see(reader, lane, row, topic)
                if seen.fault is not None:
                    is_copy = seen.is_as_read and (row["last_offset"] or -1) >= seen.begin
                    start = row["next_offset"] if is_copy else seen.begin
                    told = await _adopt(database, lane, seen, start, reason, actor)
                    told["done"] = "adopted"
                elif row["stopped_because"] is not None:
                    told = await _end_stop(database, lane, row["lane_id"], "resumed", reason, actor)
                    told["done"] = "resumed"
                else:
                    continue
            done.append(told)
    return done


class _Seen(NamedTuple):
    """A partition as Kafka has it beside its lane; fault: what speaks against reading on.

    is_as_read: it holds what the log has read, as far as that did not age out; the topic may be another all the same.
    """

    topic: Topic
    begin: int
    end: int
    fault: str | None
    is_as_read: bool


@asynccontextmanager
async def _looking(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Give a consumer for a look of some seconds: who waits at a terminal is told that Kafka does not answer."""
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
    """Let a stopped lane go on where it stands; or close it, and should its partition come back, begin a new epoch."""
    async with database.transaction() as connection:
        row = await open_row(connection, partition)
        await connection.execute(
            SQL["resume_lane"] if action == "resumed" else SQL["close_lane"], lane_id
        )
        await connection.execute(SQL["note_lane"], lane_id, action, reason, actor)
    return _told(partition, row)


def _told(lane: TopicPartition, row: asyncpg.Record) -> dict[str, Any]:
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
    """Lock a partition's open lane, until the transaction's end, and give its row. Raises: NotThereError."""
    row: asyncpg.Record | None = await connection.fetchrow(SQL["lock_open_lane"], *partition)
    if row is None:
        raise NotThereError(f"There is no lane {partition.topic}-{partition.partition}.")
    return row
