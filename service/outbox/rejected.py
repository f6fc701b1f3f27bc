"""Publishing rejected records to `<prefix>.rejected`, from their table, after the commit; resumable, in lane order."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from schemas.command.rules import MAX_RECORD_BYTES
from schemas.topics import Topics
from service.kafka.clients import producing
from service.log.append import ROLE
from service.outbox.runner import run_outbox
from service.registry.command_topics import all_topics
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg
    from aiokafka import AIOKafkaProducer

    from service.postgres.database import Database
    from service.runtime.settings import Settings
    from service.runtime.supervise import Supervisor

log = get_logger("relay")
EVERY_SECONDS = 0.5
BATCH = 500
# Longer payloads are cut in the topic; the table has them whole.
PAYLOAD_CHARACTERS = 4096
# Lanes in which nothing was refused: all at once. Nothing lies there to be published, whoever else is at it.
_LEAVE_BEHIND = """
INSERT INTO segments.relay AS y (lane_id, next_offset)
SELECT l.lane_id, l.next_offset
FROM segments.lane AS l LEFT JOIN segments.relay AS o ON o.lane_id = l.lane_id
WHERE l.topic = ANY ($1::text[]) AND coalesce(o.next_offset, l.first_offset) < l.next_offset AND NOT EXISTS (
    SELECT FROM segments.rejected AS r WHERE r.lane_id = l.lane_id
        AND r.kafka_offset >= coalesce(o.next_offset, l.first_offset) AND r.kafka_offset < l.next_offset
)
ORDER BY l.lane_id
ON CONFLICT (lane_id) DO UPDATE SET next_offset = excluded.next_offset WHERE y.next_offset < excluded.next_offset
"""
_CLAIM = """
SELECT l.lane_id FROM segments.lane AS l LEFT JOIN segments.relay AS y ON y.lane_id = l.lane_id
WHERE l.topic = ANY ($1::text[]) AND coalesce(y.next_offset, l.first_offset) < l.next_offset
"""
_MAKE = """
INSERT INTO segments.relay (lane_id, next_offset)
SELECT l.lane_id, l.first_offset FROM segments.lane AS l WHERE l.lane_id = $1 ON CONFLICT DO NOTHING
"""
# How far the lane goes is asked here again: Postgres may be another one than at the claim.
_LOCK = """
SELECT y.next_offset AS start, l.next_offset, l.topic, l.partition, l.epoch
FROM segments.relay AS y INNER JOIN segments.lane AS l ON y.lane_id = l.lane_id
WHERE y.lane_id = $1 AND l.topic = ANY ($2::text[]) FOR UPDATE OF y SKIP LOCKED
"""
_READ = """
SELECT kafka_offset, received_at, recorded_at, reason, detail, network_id, reference_id, record_key, payload_text,
    next_offset
FROM segments.rejected WHERE lane_id = $1 AND kafka_offset >= $2 AND kafka_offset < $3 ORDER BY kafka_offset LIMIT $4
"""
_MOVE = "UPDATE segments.relay SET next_offset = $2 WHERE lane_id = $1"


async def relay_rejected(settings: Settings, stop: asyncio.Event) -> None:
    """Publish refusals until `stop` is set, if the topic is ours; at least once each, faults are waited out."""
    await run_outbox(settings, ROLE, stop, _relay, log, "relay waits")


async def _relay(database: Database, supervisor: Supervisor) -> None:
    async with producing(database.settings) as producer:
        await supervisor.repeat(partial(_relay_round, database, producer))


async def _relay_round(database: Database, producer: AIOKafkaProducer) -> float:
    """Publish what waits, at most BATCH of each lane; gives the seconds until the next round."""
    async with database.transaction() as connection:
        topics = await all_topics(connection, database.settings)
        await connection.execute(_LEAVE_BEHIND, topics)
        lanes = await connection.fetch(_CLAIM, topics)
    for lane in lanes:
        async with database.transaction() as connection:
            await _relay_lane(connection, producer, database.settings, lane["lane_id"], topics)
    return EVERY_SECONDS


async def _relay_lane(
    connection: asyncpg.Connection[Any],
    producer: AIOKafkaProducer,
    settings: Settings,
    lane_id: int,
    topics: Sequence[str],
) -> None:
    await connection.execute(_MAKE, lane_id)
    lane = await connection.fetchrow(_LOCK, lane_id, topics)
    if lane is None or lane["start"] >= lane["next_offset"]:
        return  # another process is at it, or was since the claim
    rows = await connection.fetch(_READ, lane_id, lane["start"], lane["next_offset"], BATCH)
    topic = Topics(settings.topic_prefix).rejected
    sent = [
        await producer.send(topic, _message(lane, row), _key(row["record_key"]), partition=None)
        for row in rows
    ]
    await asyncio.gather(*sent)
    end = rows[-1]["kafka_offset"] + 1 if len(rows) == BATCH else lane["next_offset"]
    await connection.execute(_MOVE, lane_id, end)


def _key(key: bytes | None) -> bytes | None:
    """Give the record's key; one that alone could fill a message is left out."""
    return key if key is None or len(key) <= MAX_RECORD_BYTES else None


def _message(lane: asyncpg.Record, row: asyncpg.Record) -> bytes:
    text = row["payload_text"]
    return json.dumps(
        {
            "kafka_topic": lane["topic"],
            "kafka_partition": lane["partition"],
            "kafka_epoch": lane["epoch"],
            "kafka_offset": row["kafka_offset"],
            "next_offset": row["next_offset"],
            "received_at": row["received_at"].isoformat(),
            "recorded_at": row["recorded_at"].isoformat(),
            "reason": row["reason"],
            "detail": row["detail"],
            "network_id": row["network_id"],
            "reference_id": row["reference_id"],
            "payload_text": None if text is None else text[:PAYLOAD_CHARACTERS],
            "payload_is_cut": text is not None and len(text) > PAYLOAD_CHARACTERS,
        }
    ).encode()
