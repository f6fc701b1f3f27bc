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

log = get_logger("relay")
EVERY_SECONDS = 0.5
BATCH = 500
# Longer payloads are cut in the topic; the table has them whole.
PAYLOAD_CHARACTERS = 4096
SQL = statements("service.outbox.sql")


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
        await connection.execute(SQL["pass_lanes"], topics)
        lanes = await connection.fetch(SQL["lanes_to_publish"], topics)
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
    await connection.execute(SQL["make_progress"], lane_id)
    lane = await connection.fetchrow(SQL["lock_progress"], lane_id, topics)
    if lane is None or lane["start"] >= lane["next_offset"]:
        return  # another process is at it, or was since the claim
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
