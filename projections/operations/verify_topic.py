"""Compares Kafka with the log and the views: the topic ids, and the last values of memberships."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

from schemas.topics import Topics
from service.kafka.clients import reading
from service.kafka.topic_ids import topics_there
from service.postgres.database import statements

if TYPE_CHECKING:
    import asyncpg
    from aiokafka import AIOKafkaConsumer

    from service.runtime.settings import Settings

    Difference = dict[str, str | None]

SQL = statements("projections.operations.sql")
_COLUMNS = ("key", "partition", "kafka_offset", "recorded_at", "said")
BLOCK = 20_000


async def verify_topics(
    connection: asyncpg.Connection[Any], settings: Settings, *, memberships: bool
) -> list[Difference]:
    """Compare the ids of Kafka's topics with those that were read and written.

    memberships: also read the whole topic of memberships, and compare its last values with the states.
    Returns: the differences, as in `projections.operations.verify`.
    Raises: KafkaError if Kafka does not respond.
    """
    topics = Topics(settings.topic_prefix)
    lanes = await connection.fetch(SQL["lane_topics"])
    known = await connection.fetchval(SQL["published_topic"])
    async with reading(settings, "read_committed") as reader:
        names = {row["topic"] for row in lanes} | {topics.memberships}
        there = await topics_there(reader._client, names)  # noqa: SLF001
        differences: list[Difference] = []
        for row in lanes:
            topic = there[row["topic"]]
            if topic is None or topic.is_another(row["topic_id"]):
                differences.append(_differs("lane", row["lane"], row["topic_id"], topic))
        topic = there[topics.memberships]
        if known is not None and (topic is None or topic.is_another(known)):
            differences.append(
                _differs("projections.membership_topic", topics.memberships, known, topic)
            )
        if memberships and topic is not None:
            partitions = [TopicPartition(topics.memberships, one) for one in topic.partitions]
            differences += await _compare(connection, reader, partitions)
    return differences


def _differs(view: str, key: str, known: Any, topic: Any) -> Difference:
    is_now = "no such topic" if topic is None else f"the topic {topic.topic_id}"
    return {"view": view, "key": key, "expected": f"the topic {known}", "found": is_now}


async def _compare(
    connection: asyncpg.Connection[Any], reader: AIOKafkaConsumer, partitions: list[TopicPartition]
) -> list[Difference]:
    reader.assign(partitions)
    # The states are read first, so that each was published before these end offsets, or is pending.
    async with connection.transaction(isolation="repeatable_read"):
        await connection.fetchval(SQL["published_topic"])
        await connection.execute(SQL["make_published"])
        ends = await reader.end_offsets(partitions)
        await reader.seek_to_beginning(*partitions)
        rows: list[tuple[Any, ...]] = []
        while any([await reader.position(one) < end for one, end in ends.items()]):
            batches = await reader.getmany(timeout_ms=200, max_records=2000)
            rows += [_row(record) for records in batches.values() for record in records]
            if len(rows) >= BLOCK:
                await connection.copy_records_to_table("published", records=rows, columns=_COLUMNS)
                rows = []
        await connection.copy_records_to_table("published", records=rows, columns=_COLUMNS)
        differences = await connection.fetch(
            SQL["verify_memberships"], partitions[0].topic, timeout=3600
        )
        await connection.execute("DROP TABLE published")
    return [dict(row) for row in differences]


def _row(record: Any) -> tuple[Any, ...]:
    """Return (key, partition, offset, recorded_at, state) of a record; the last two are None for a tombstone."""
    key = record.key.decode(errors="replace").replace("\0", "\ufffd")
    place = (key, record.partition, record.offset)
    if record.value is None:
        return (*place, None, None)
    try:
        value = json.loads(record.value)
        state = f"{'t' if value['is_member'] else 'f'} {value['override'] or '-'}"
        return (*place, datetime.fromisoformat(value["last_recorded_at"]), state)
    except (ValueError, TypeError, KeyError):
        return (*place, None, "not a record of this service")
