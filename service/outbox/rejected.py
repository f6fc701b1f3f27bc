"""Publishes rejected records from their table to `<prefix>.rejected`, after the commit; resumable, in lane order."""

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
from service.postgres.database import statements
from service.registry.command_topics import all_topics
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg
    from aiokafka import AIOKafkaProducer

    from service.postgres.database import Database
    from service.runtime.settings import Settings
    from service.runtime.supervise import Supervisor

log = get_logger("outbox.rejected")
EVERY_SECONDS = 0.5
BATCH = 500
# Longer payloads are truncated in the topic; the table has all of them.
PAYLOAD_CHARACTERS = 4096
SQL = statements("service.outbox.sql")


async def publish_rejected(settings: Settings, stop: asyncio.Event) -> None:
    """Publish rejected records, at least once each, until `stop` is set, while this installation owns the topic."""
    await run_outbox(settings, ROLE, stop, _publish, log, "rejected records delayed")


async def _publish(database: Database, supervisor: Supervisor) -> None:
    async with producing(database.settings) as producer:
        await supervisor.repeat(partial(_publish_round, database, producer))


async def _publish_round(database: Database, producer: AIOKafkaProducer) -> float:
    """Publish pending records, at most BATCH per lane; return the seconds until the next round."""
    async with database.transaction() as connection:
        topics = await all_topics(connection, database.settings)
        await connection.execute(SQL["pass_lanes"], topics)
        lanes = await connection.fetch(SQL["lanes_to_publish"], topics)
    for lane in lanes:
        async with database.transaction() as connection:
            await _publish_lane(connection, producer, database.settings, lane["lane_id"], topics)
    return EVERY_SECONDS


async def _publish_lane(
    connection: asyncpg.Connection[Any],
    producer: AIOKafkaProducer,
    settings: Settings,
    lane_id: int,
    topics: Sequence[str],
) -> None:
    await connection.execute(SQL["make_progress"], lane_id)
    lane = await connection.fetchrow(SQL["lock_progress"], lane_id, topics)
    if lane is None or lane["start"] >= lane["next_offset"]:
        return  # another process publishes or has published it
    rows = await connection.fetch(
        SQL["read_rejected"], lane_id, lane["start"], lane["next_offset"], BATCH
    )
    topic = Topics(settings.topic_prefix).rejected
    sent = [
        await producer.send(topic, _message(lane, row), _key(row["record_key"]), partition=None)
        for row in rows
    ]
    await asyncio.gather(*sent)
    end = rows[-1]["kafka_offset"] + 1 if len(rows) == BATCH else lane["next_offset"]
    await connection.execute(SQL["move_progress"], lane_id, end)


def _key(key: bytes | None) -> bytes | None:
    """Return the record's key; None if it alone could exceed the maximum message size."""
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
