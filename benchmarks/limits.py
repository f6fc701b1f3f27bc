"""Limits: the rates of Postgres alone with the same rows on the same machine, measured in the same run."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from benchmarks.world import World

ONE_COPY = "one bare COPY"  # the yardstick
TWO_COPIES = "two bare COPYs at once"
CHUNK = 256 * 1024


async def bare_copy(world: World) -> Mapping[str, float]:
    """COPY the rows of the log, binary and from memory, into an empty table of the log's structure; rows per second.

    The same columns and indexes, no trigger; rows in the order of the log; one transaction per connection. One
    connection is the yardstick.
    """
    owner = world.owner
    await owner.execute("CREATE SCHEMA IF NOT EXISTS scratch")
    await owner.execute("DROP TABLE IF EXISTS scratch.event")
    await owner.execute("CREATE TABLE scratch.event (LIKE segments.event INCLUDING ALL)")
    rates = {}
    for name, shares in ((ONE_COPY, 1), (TWO_COPIES, 2)):
        streams = [await _read(owner, shares, share) for share in range(shares)]
        await owner.execute("TRUNCATE scratch.event")
        await owner.execute("CHECKPOINT")
        rates[name] = await _timed(world, streams)
    await owner.execute("DROP SCHEMA scratch CASCADE")
    return rates


async def _read(owner: asyncpg.Connection[Any], shares: int, share: int) -> bytes:
    parts: list[bytes] = []

    async def keep(part: bytes) -> None:
        parts.append(part)

    await owner.copy_from_query(
        f"SELECT * FROM segments.event WHERE lane_id % {shares} = {share}",
        output=keep,
        format="binary",
    )
    return b"".join(parts)


async def _timed(world: World, streams: list[bytes]) -> float:
    connections = [await asyncpg.connect(world.url) for _ in streams]
    try:
        began = time.perf_counter()
        await asyncio.gather(*(_copy(c, s) for c, s in zip(connections, streams, strict=True)))
        seconds = time.perf_counter() - began
        count: int = await world.owner.fetchval("SELECT count(*) FROM scratch.event")
    finally:
        for connection in connections:
            await connection.close()
    return count / seconds


async def _copy(connection: asyncpg.Connection[Any], stream: bytes) -> None:
    async def source() -> AsyncIterator[bytes]:
        for at in range(0, len(stream), CHUNK):
            yield stream[at : at + CHUNK]

    await connection.copy_to_table("event", schema_name="scratch", source=source(), format="binary")


AT_ONCE = "the fold in one statement"
ARRAYS = "an ordered array_agg per key"
_FOLD = """
SELECT count(k.state) FROM (
    SELECT segments.fold(
        NULL::segments.key_state, e.user_status, e.status_change_timestamp, e.received_at, e.recorded_at,
        e.lane_id, e.kafka_offset, e.expires_at, e.expired_lane_id, e.expired_offset
        ORDER BY e.status_change_timestamp, e.received_at, e.lane_id, e.kafka_offset
    ) AS state
    FROM segments.event AS e GROUP BY e.segment_key, e.person_id
) AS k
"""
_ARRAYS = """
SELECT count(k.statuses) FROM (
    SELECT array_agg(e.user_status ORDER BY e.status_change_timestamp, e.received_at, e.lane_id, e.kafka_offset)
        AS statuses
    FROM segments.event AS e GROUP BY e.segment_key, e.person_id
) AS k
"""


async def fold_at_once(world: World) -> Mapping[str, float]:
    """Fold the log without storing the result: by the service's fold, and by array_agg per key; events per second.

    One connection, no parallel workers, no writes, and enough memory to avoid spilling.
    """
    owner = world.owner
    rates = {}
    async with owner.transaction():
        await owner.execute("SET LOCAL work_mem = '512MB'; SET LOCAL jit = off;")
        await owner.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        count: int = await owner.fetchval("SELECT count(*) FROM segments.event")
        for name, query in ((AT_ONCE, _FOLD), (ARRAYS, _ARRAYS)):
            began = time.perf_counter()
            await owner.fetchval(query, timeout=600)
            rates[name] = count / (time.perf_counter() - began)
    return rates
