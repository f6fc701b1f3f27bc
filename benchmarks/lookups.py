"""Random lookups in the reporting views, as an analyst's role: p95 of each view and filter."""

from __future__ import annotations

import random
import statistics
import time
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.world import World

BARE = "a bare primary-key lookup, p95 ms"
LOOKUPS = 200
# A filter is not looked up any further after this many seconds.
ENOUGH_SECONDS = 20
FEWEST = 10
FILTERS = {
    "key": ("network_id", "segment_id", "user_id"),
    "user": ("user_id",),
    "reference": ("reference_id",),
    "position": ("kafka_topic", "kafka_partition", "kafka_epoch", "kafka_offset"),
}
VIEWS: Mapping[str, tuple[str, ...]] = {
    "membership": ("key", "user"),
    "override": ("key", "user"),
    "user_segment": ("key", "user"),
    "membership_history": ("key", "user"),
    "event": ("key", "user", "reference", "position"),
    "result": ("key", "user", "reference", "position"),
}
_SAMPLE = """
SELECT e.network_id, e.segment_id, e.user_id, e.reference_id, e.kafka_topic, e.kafka_partition, e.kafka_epoch,
    e.kafka_offset
FROM reporting.event AS e
WHERE e.kafka_topic = $1 AND e.kafka_partition = $2 AND e.kafka_epoch = $3 AND e.kafka_offset = $4
"""
_BARE = "SELECT * FROM segments.event WHERE lane_id = $1 AND kafka_offset = $2"


async def look_up(world: World) -> dict[tuple[str, str], float]:
    """Return p95 in milliseconds of each (view, filter), and of (BARE, "")."""
    targets = await _targets(world)
    p95s = {}
    analyst = await asyncpg.connect(
        world.url, server_settings={"role": "segments_report"}, command_timeout=60
    )
    try:
        for view, names in VIEWS.items():
            for name in names:
                columns = FILTERS[name]
                where = " AND ".join(f"{column} = ${n}" for n, column in enumerate(columns, 1))
                query = f"SELECT * FROM reporting.{view} WHERE {where}"
                p95s[view, name] = await _p95(
                    analyst, query, [tuple(target[c] for c in columns) for target in targets]
                )
    finally:
        await analyst.close()
    places = [(target["lane_id"], target["kafka_offset"]) for target in targets]
    p95s[BARE, ""] = await _p95(world.owner, _BARE, places)
    return p95s


async def _targets(world: World) -> list[dict[str, Any]]:
    chance = random.Random(7)  # noqa: S311 - a sample, no secret
    lanes = await world.owner.fetch(
        "SELECT lane_id, topic, partition, epoch, first_offset, next_offset FROM segments.lane"
        " WHERE next_offset > first_offset"
    )
    targets = []
    for _ in range(LOOKUPS):
        lane = chance.choice(lanes)
        offset = chance.randrange(lane["first_offset"], lane["next_offset"])
        row = await world.owner.fetchrow(
            _SAMPLE, lane["topic"], lane["partition"], lane["epoch"], offset
        )
        if row is None:
            raise RuntimeError(f"no event at {dict(lane)}, {offset}")
        targets.append({**row, "lane_id": lane["lane_id"]})
    return targets


async def _p95(
    connection: asyncpg.Connection[Any], query: str, parameters: list[tuple[Any, ...]]
) -> float:
    times: list[float] = []
    for values in parameters:
        began = time.perf_counter()
        await connection.fetch(query, *values)
        times.append((time.perf_counter() - began) * 1000)
        if len(times) >= FEWEST and sum(times) > ENOUGH_SECONDS * 1000:
            break
    return statistics.quantiles(times, n=20, method="inclusive")[18]
