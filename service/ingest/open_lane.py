"""Opening a lane: finds its row and position, and compares the topic with what the log has read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.errors import UnknownTopicOrPartitionError

from schemas.position import Lane
from service.kafka.clients import reading
from service.kafka.topic_ids import topics_there
from service.log.identity import record_digest
from service.postgres.database import statements

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg
    from aiokafka import TopicPartition

    from service.kafka.topic_ids import Topic
    from service.postgres.database import Database

SQL = statements("service.ingest.sql")
PROBE_SECONDS = 10
# How much of a hole after the last record is compared.
HOLE_OFFSETS = 1000
_OTHER = "the topic was remade, or lost its end and was written on from there"
_HOW = "Go on with `segments lane adopt --topic {topic} --partition {partition} --from {start} --reason …`"


@dataclass(frozen=True, slots=True)
class OpenLane:
    """A lane's row. received_ms: Unix milliseconds, of the last record.

    incarnation: of Postgres when the row was read. erased_to: the newest erasure then.
    """

    lane: Lane
    lane_id: int
    next_offset: int
    received_ms: int
    stopped_because: str | None
    incarnation: str
    erased_to: int
    topic_id: UUID | None
    leader_epoch: int | None = None  # of the last record, which was compared


class Reached(NamedTuple):
    """How far this process has stored a partition, and the incarnation of Postgres that it stored it in."""

    incarnation: str
    next_offset: int


async def open_lane(database: Database, partition: TopicPartition) -> OpenLane:
    """Find or make the lane's row and compare it with the topic; if the topic is another one, stop the lane.

    Raises: errors of the infrastructure, which the caller retries; a missing partition is one.
    """
    async with reading(database.settings) as reader:
        topic = (await topics_there(reader._client, [partition.topic]))[partition.topic]  # noqa: SLF001
        if topic is None or partition.partition not in topic.partitions:
            raise UnknownTopicOrPartitionError(f"Kafka has no {partition}")
        reader.assign([partition])
        begin = (await reader.beginning_offsets([partition]))[partition]
        end = (await reader.end_offsets([partition]))[partition]
        async with database.transaction() as connection:
            row = await connection.fetchrow(SQL["find_lane"], *partition)
            if row is None:
                await connection.execute(SQL["make_lane"], *partition, begin, topic.topic_id)
                row = await connection.fetchrow(SQL["find_lane"], *partition)
            assert row is not None  # noqa: S101 - it was just made, by us or by another
        stopped, leader_epoch = row["stopped_because"], None
        if stopped is None:
            stopped, leader_epoch = await _compare(reader, partition, row, begin, end)
            stopped = stopped or find_other_id(partition, row, topic, begin)
            write: tuple[Any, ...] | None = None
            if stopped is not None:
                write = (
                    SQL["stop_lane"],
                    row["lane_id"],
                    stopped,
                    row["next_offset"],
                    row["incarnation"],
                )
            elif topic.topic_id not in (None, row["topic_id"]):
                write = (
                    SQL["note_topic_id"],
                    row["lane_id"],
                    topic.topic_id,
                    row["topic_id"],
                    row["incarnation"],
                )
            if write is not None:
                async with database.transaction() as connection:
                    await connection.execute(*write)
    lane = Lane(partition.topic, partition.partition, row["epoch"])
    return OpenLane(
        lane, row["lane_id"], row["next_offset"], row["received_ms"] or 0, stopped,
        row["incarnation"], row["erased_to"], topic.topic_id or row["topic_id"], leader_epoch,
    )  # fmt: skip


async def note_reread(database: Database, opened: OpenLane, was: int) -> None:
    """Record that a lane had reached offset `was` before Postgres came back in an older state."""
    async with database.transaction() as connection:
        await connection.execute(
            SQL["note_reread"], opened.lane_id, f"offsets {opened.next_offset} to {was}"
        )


def _how(partition: TopicPartition, start: str) -> str:
    return _HOW.format(topic=partition.topic, partition=partition.partition, start=start)


def find_other_id(
    partition: TopicPartition, row: asyncpg.Record, topic: Topic, begin: int
) -> str | None:
    """Return the fault if the topic's id is not the one that was read, or None."""
    if not topic.is_another(row["topic_id"]) or row["next_offset"] == row["first_offset"] == begin:
        return None
    how = _how(partition, f"earliest (or {row['next_offset']}, if it is a copy with its offsets)")
    return (
        f"the topic was remade, or is another Kafka's: its id is {topic.topic_id}, and the log has read"
        f" {row['topic_id']}. {how}"
    )


async def find_other_records(
    reader: Any, partition: TopicPartition, row: asyncpg.Record, begin: int, end: int
) -> str | None:
    """Return how the topic differs from what the log has read, or None. A lost tail does not change the topic's id."""
    return (await _compare(reader, partition, row, begin, end))[0]


async def _compare(
    reader: Any, partition: TopicPartition, row: asyncpg.Record, begin: int, end: int
) -> tuple[str | None, int | None]:
    """As `find_other_records`, and the leader epoch of the compared record, if any."""
    at = row["next_offset"]
    if at > end:
        how = _how(partition, f"earliest (if it was remade) or {end} (if it was truncated)")
        return (
            f"the topic ends at {end}, before {at} where the log stands: it was remade or truncated. {how}",
            None,
        )
    how = _how(partition, "earliest")
    if at < begin:
        return (
            f"the topic begins at {begin}, after {at} where the log stands: retention took unread records. {how}",
            None,
        )
    last = row["last_offset"]
    if last is None or last < begin:
        return None, None  # the last record aged out, so there is nothing to compare
    record = await _record_in(reader, partition, last, last + 1)
    if record is None:
        return f"offset {last}, a record in the log, holds none in the topic: {_OTHER}. {how}", None
    same = record.timestamp == row["last_timestamp"] and (
        record_digest(record.key, record.value) == row["last_digest"]
    )
    # The log may have a hole after it, such as transaction markers; of a long one only the end is compared.
    behind = max(last + 1, at - HOLE_OFFSETS)
    other = None
    if not same:
        other = f"offset {last} holds another record than the log: {_OTHER}. {how}"
    elif behind < at and (more := await _record_in(reader, partition, behind, at)) is not None:
        other = f"offset {more.offset} holds a record, and none in the log: {_OTHER}. {how}"
    return other, record.leader_epoch


async def _record_in(reader: Any, partition: TopicPartition, first: int, end: int) -> Any:
    """Read the first record of [first, end); None if there is none."""
    reader.seek(partition, first)
    async with asyncio.timeout(PROBE_SECONDS):
        while True:
            batches = await reader.getmany(partition, timeout_ms=500, max_records=1)
            for record in batches.get(partition, ()):
                return record if record.offset < end else None
            if await reader.position(partition) >= end:
                return None
