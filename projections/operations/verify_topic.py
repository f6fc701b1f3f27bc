"""Comparing what lies in Kafka with what the log and the views say: which topics they are, and the last words told."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

from schemas.topics import Topics
from service.kafka.clients import reading
from service.kafka.topic_ids import topics_there

if TYPE_CHECKING:
    import asyncpg
    from aiokafka import AIOKafkaConsumer

    from service.runtime.settings import Settings

    Difference = dict[str, str | None]

_LANES = """
SELECT topic, partition, topic_id, concat_ws('-', topic, partition, epoch) AS lane FROM segments.lane
WHERE NOT closed AND stopped_because IS NULL AND topic_id IS NOT NULL ORDER BY topic, partition
"""
_TOLD = """
CREATE TEMPORARY TABLE told (key text, partition integer, kafka_offset bigint, recorded_at timestamptz, said text)
"""
_COLUMNS = ("key", "partition", "kafka_offset", "recorded_at", "said")
# One round of telling may be under way: a key with an event beyond what was told is not looked at.
_COMPARE = """
WITH last AS (
    SELECT DISTINCT ON (key, partition) key, partition, recorded_at, said FROM told
    ORDER BY key, partition, kafka_offset DESC
), said AS (
    SELECT key, count(*) AS places, max(recorded_at) AS recorded_at, min(said) AS said FROM last
    WHERE said IS NOT NULL GROUP BY key
), states AS (
    SELECT u.network_id || ':' || u.segment_id || ':' || u.user_id AS key, u.last_recorded_at AS recorded_at,
        concat_ws(' ', u.is_member, coalesce(u.override, '-')) AS said,
        EXISTS (
            SELECT FROM segments.event AS e
            INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
            LEFT JOIN projections.teller AS t ON e.lane_id = t.lane_id
            WHERE e.person_id = p.person_id AND e.segment_key = s.segment_key
                AND e.kafka_offset >= coalesce(t.next_offset, l.first_offset)
        ) AS waits
    FROM reporting.user_segment AS u
    INNER JOIN segments.segment AS s ON s.network_id = u.network_id AND s.segment_id = u.segment_id
    INNER JOIN segments.person AS p ON p.network_id = u.network_id AND p.user_id = u.user_id
)
SELECT $1 AS view, coalesce(states.key, said.key) AS key,
    CASE WHEN said.places > 1 THEN 'one last word' ELSE coalesce(states.said, 'nothing') END AS expected,
    CASE WHEN said.places > 1 THEN 'one in each of ' || said.places || ' partitions'
        ELSE coalesce(said.said, 'nothing') END AS found
FROM states FULL JOIN said ON states.key = said.key
WHERE NOT coalesce(states.waits, false) AND (
    said.places > 1
    OR said.key IS NULL
    OR (states.key IS NULL AND coalesce(said.recorded_at, '-infinity') <= (SELECT max(recorded_at) FROM states))
    OR coalesce(said.recorded_at, '-infinity') < states.recorded_at
    OR (said.recorded_at = states.recorded_at AND said.said <> states.said)
)
ORDER BY 2 LIMIT 100
"""
BLOCK = 20_000


async def verify_topics(
    connection: asyncpg.Connection[Any], settings: Settings, *, memberships: bool
) -> list[Difference]:
    """Compare the ids of Kafka's topics with those that were read and told.

    memberships: also read all of the topic of memberships, and compare its last words with what stands.
    Returns: what differs, as `projections.operations.verify` does.
    Raises: KafkaError when Kafka does not answer.
    """
    topics = Topics(settings.topic_prefix)
    lanes = await connection.fetch(_LANES)
    told = await connection.fetchrow("SELECT topic_id, partitions FROM projections.telling")
    async with reading(settings, "read_committed") as reader:
        names = {row["topic"] for row in lanes} | {topics.memberships}
        there = await topics_there(reader._client, names)  # noqa: SLF001
        found: list[Difference] = []
        for row in lanes:
            topic = there[row["topic"]]
            if topic is None or topic.is_another(row["topic_id"]):
                found.append(_differs("lane", row["lane"], row["topic_id"], topic))
        topic = there[topics.memberships]
        known = told["topic_id"] if told else None
        if known is not None and (topic is None or topic.is_another(known)):
            found.append(_differs("projections.telling", topics.memberships, known, topic))
        if memberships and topic is not None:
            partitions = [TopicPartition(topics.memberships, one) for one in topic.partitions]
            found += await _compare(connection, reader, partitions)
    return found


def _differs(view: str, key: str, known: Any, topic: Any) -> Difference:
    is_now = "no such topic" if topic is None else f"the topic {topic.topic_id}"
    return {"view": view, "key": key, "expected": f"the topic {known}", "found": is_now}


async def _compare(
    connection: asyncpg.Connection[Any], reader: AIOKafkaConsumer, partitions: list[TopicPartition]
) -> list[Difference]:
    reader.assign(partitions)
    # What stands is read first, so that whatever is there was told before these ends, or waits.
    async with connection.transaction(isolation="repeatable_read"):
        await connection.fetchval("SELECT count(*) FROM projections.telling")
        await connection.execute(_TOLD)
        ends = await reader.end_offsets(partitions)
        await reader.seek_to_beginning(*partitions)
        rows: list[tuple[Any, ...]] = []
        while any([await reader.position(one) < end for one, end in ends.items()]):
            batches = await reader.getmany(timeout_ms=200, max_records=2000)
            rows += [_row(record) for records in batches.values() for record in records]
            if len(rows) >= BLOCK:
                await connection.copy_records_to_table("told", records=rows, columns=_COLUMNS)
                rows = []
        await connection.copy_records_to_table("told", records=rows, columns=_COLUMNS)
        found = await connection.fetch(_COMPARE, partitions[0].topic, timeout=3600)
        await connection.execute("DROP TABLE told")
    return [dict(row) for row in found]


def _row(record: Any) -> tuple[Any, ...]:
    """Give (key, partition, offset, recorded_at, what is said) of a record; null of what is told no more."""
    key = record.key.decode(errors="replace").replace("\0", "\ufffd")
    place = (key, record.partition, record.offset)
    if record.value is None:
        return (*place, None, None)
    try:
        value = json.loads(record.value)
        said = f"{'t' if value['is_member'] else 'f'} {value['override'] or '-'}"
        return (*place, datetime.fromisoformat(value["last_recorded_at"]), said)
    except (ValueError, TypeError, KeyError):
        return (*place, None, "not what this service tells")
