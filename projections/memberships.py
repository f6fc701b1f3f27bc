"""Telling `<prefix>.memberships`, a compacted topic, the state of each key that changed; at least once each.

It tails the log below the checkpoints and publishes what then stands for the keys it meets, so the last word on a
key is never older than the key's last event. One process tells at a time, for two could tell in the wrong order.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from projections.farewell import say_farewell
from projections.worker import PROJECTION, ROLE, SQL
from schemas.topics import Topics
from service.database import make_pool, single, transaction
from service.kafka import producing
from service.kafka_login import DENIED
from service.sources import all_topics
from service.telemetry import get_logger
from service.waiting import INFRASTRUCTURE, sleep_unless

if TYPE_CHECKING:
    import asyncpg
    from aiokafka import AIOKafkaProducer

    from service.settings import Settings

log = get_logger("projections.memberships")
EVERY_SECONDS = 0.25
BATCH = 4000
# While so many records of a lane wait to be folded, the views go first: told is then only so often.
MUCH, PATIENCE_SECONDS = 2000, 5.0
_LOCK = "SELECT FROM projections.teller WHERE lane_id = 0 FOR UPDATE SKIP LOCKED"
_BEHIND = """
SELECT c.lane_id, coalesce(t.next_offset, l.first_offset) AS first,
    least(c.next_offset, coalesce(t.next_offset, l.first_offset) + $3) AS until
FROM projections.checkpoint AS c INNER JOIN segments.lane AS l ON c.lane_id = l.lane_id
INNER JOIN projections.generation AS g ON c.projection = g.projection AND c.slot = g.slot
LEFT JOIN projections.teller AS t ON t.lane_id = c.lane_id
WHERE c.projection = $1 AND l.topic = ANY ($2::text[]) AND coalesce(t.next_offset, l.first_offset) < c.next_offset
"""
_MET = """
WITH keys AS MATERIALIZED (
    SELECT DISTINCT e.segment_key, e.person_id FROM segments.event AS e
    WHERE e.lane_id = $1 AND e.kafka_offset >= $2 AND e.kafka_offset < $3
)
"""
_GIVEN = """
WITH keys AS MATERIALIZED (
    SELECT k.segment_key, k.person_id FROM unnest($1::integer[], $2::bigint[]) AS k (segment_key, person_id)
)
"""
_STATES = """
SELECT s.network_id, s.segment_id, p.user_id, (m.state).is_member AS is_member,
    ('{add,block}'::text[])[(m.state).override] AS override,
    (m.state).last_change_at AS last_change_at, (m.state).last_recorded_at AS last_recorded_at
FROM keys AS k
CROSS JOIN LATERAL (
    SELECT n.state FROM projections.membership AS n
    WHERE n.segment_key = k.segment_key AND n.person_id = k.person_id
        AND n.slot = (SELECT g.slot FROM projections.generation AS g WHERE g.projection = 'membership')
    OFFSET 0
) AS m
INNER JOIN segments.segment AS s ON s.segment_key = k.segment_key
CROSS JOIN LATERAL (
    SELECT q.user_id FROM segments.person AS q WHERE q.person_id = k.person_id OFFSET 0
) AS p
"""
_MOVE = """
INSERT INTO projections.teller (lane_id, next_offset) VALUES ($1, $2)
ON CONFLICT (lane_id) DO UPDATE SET next_offset = excluded.next_offset
"""


async def relay_memberships(settings: Settings, stop: asyncio.Event) -> None:
    """Tell states until `stop` is set; faults are waited out."""
    async with make_pool(settings, ROLE, 1) as pool:
        while not stop.is_set():
            try:
                async with producing(settings) as producer:
                    await _tell_until(stop, pool, producer, settings)
            except INFRASTRUCTURE as error:
                tell = log.error if isinstance(error, DENIED) else log.info
                tell("memberships wait", error=f"{type(error).__name__}: {error}")
                await sleep_unless(stop, 2)


async def _tell_until(
    stop: asyncio.Event, pool: asyncpg.Pool[Any], producer: AIOKafkaProducer, settings: Settings
) -> None:
    told = time.monotonic()
    while not stop.is_set():
        await say_farewell(pool, producer, settings, _tell_keys)
        async with single(pool, settings, ROLE) as connection:
            behind: int = await connection.fetchval(SQL["waiting"], PROJECTION)
        if behind > MUCH and time.monotonic() - told < PATIENCE_SECONDS:
            await sleep_unless(stop, EVERY_SECONDS)
            continue
        told = time.monotonic()
        if not await _tell(pool, producer, settings):
            await sleep_unless(stop, EVERY_SECONDS)


async def _tell(pool: asyncpg.Pool[Any], producer: AIOKafkaProducer, settings: Settings) -> bool:
    """Tell one batch of each lane; False when no more waits than belongs into the next round, or another one tells."""
    async with transaction(pool, settings, ROLE) as connection:
        if await connection.fetchrow(_LOCK) is None:
            return False
        topic = Topics(settings.topic_prefix).memberships
        read = await all_topics(connection, settings)
        lanes = await connection.fetch(_BEHIND, PROJECTION, read, BATCH)
        for lane in lanes:
            rows = await connection.fetch(
                _MET + _STATES, lane["lane_id"], lane["first"], lane["until"]
            )
            await _send(producer, topic, rows)
            await connection.execute(_MOVE, lane["lane_id"], lane["until"])
    return any(lane["until"] - lane["first"] >= BATCH for lane in lanes)


async def _tell_keys(
    connection: asyncpg.Connection[Any],
    producer: AIOKafkaProducer,
    settings: Settings,
    keys: list[asyncpg.Record],
) -> None:
    """Tell the states of keys: (segment_key, person_id)."""
    segments, people = [row[0] for row in keys], [row[1] for row in keys]
    rows = await connection.fetch(_GIVEN + _STATES, segments, people)
    await _send(producer, Topics(settings.topic_prefix).memberships, rows)


async def _send(producer: AIOKafkaProducer, topic: str, rows: list[asyncpg.Record]) -> None:
    """Publish states and wait for the broker."""
    sent = [await producer.send(topic, *_message(row)) for row in rows]
    await asyncio.gather(*sent)


def _message(row: asyncpg.Record) -> tuple[bytes, bytes]:
    """Give value and key of one state; the key is `network_id:segment_id:user`."""
    value = {
        name: item.isoformat() if hasattr(item, "isoformat") else item for name, item in row.items()
    }
    key = f"{row['network_id']}:{row['segment_id']}:{row['user_id']}"
    return json.dumps(value).encode(), key.encode()
