"""Waits for the service: group membership, progress of the log, progress of the projections."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from benchmarks.load import Publisher, make_message
from schemas.topics import Topics
from service.kafka.clients import connection_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.processes import Running
    from benchmarks.world import World

POLL_SECONDS = 0.01
WARM_UP = 4000
_LOGGED = "SELECT coalesce(sum(next_offset - first_offset), 0)::bigint FROM segments.lane"
# As `segments status --wait`: below each lane's end, in every projection.
_PROJECTED = """
SELECT coalesce(sum(c.next_offset - l.first_offset), 0)::bigint FROM projections.checkpoint AS c
JOIN segments.lane AS l USING (lane_id)
JOIN projections.generation AS g ON c.projection = g.projection AND c.slot = g.slot
"""


async def logged(world: World) -> int:
    """Count the records in the log."""
    count: int = await world.owner.fetchval(_LOGGED)
    return count


async def wait_logged(world: World, processes: Sequence[Running], count: int) -> float:
    """Wait until `count` records are in the log; return the time.perf_counter() then."""
    return await _wait(world, processes, _LOGGED, count)


async def wait_projected(world: World, processes: Sequence[Running], count: int) -> float:
    """Wait until `count` records are in the serving projection; return the time.perf_counter() then."""
    return await _wait(world, processes, _PROJECTED, count)


async def _wait(world: World, processes: Sequence[Running], query: str, count: int) -> float:
    last, moved = -1, time.perf_counter()
    while True:
        now: int = await world.owner.fetchval(query)
        if now >= count:
            return time.perf_counter()
        if now != last:
            last, moved = now, time.perf_counter()
        if time.perf_counter() - moved > 120:
            raise TimeoutError(f"stuck at {last} of {count}")
        for process in processes:
            process.check()
        await asyncio.sleep(POLL_SECONDS)


async def settle(world: World, processes: Sequence[Running], ingests: int) -> int:
    """Wait until the group is complete and every lane ingests, with a warm-up load of other users.

    Returns the number of records in the log then.
    """
    before = await logged(world)
    await _wait_for_members(world, processes, ingests)
    async with Publisher(world.settings) as publisher:
        at = int(time.time()) - 7200
        publisher.prepare(
            make_message(900_000_000 + nth, at, 900_000 + nth % 800, 1, "enter")
            for nth in range(WARM_UP)
        )
        await publisher.publish()
    total = before + WARM_UP
    await wait_logged(world, processes, total)
    return total


async def _wait_for_members(world: World, processes: Sequence[Running], members: int) -> None:
    name: str = await world.owner.fetchval("SELECT segments.installation_name()")
    group = Topics(world.settings.topic_prefix, name).ingest_group
    admin = AIOKafkaAdminClient(**connection_options(world.settings))
    await admin.start()
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            # A fresh broker has no coordinator for a moment.
            with suppress(GroupCoordinatorNotAvailableError):
                response: Any
                (response,) = await admin.describe_consumer_groups([group])
                (_, _, state, _, _, joined, *_) = response.groups[0]
                if state == "Stable" and len(joined) == members:
                    return
            for process in processes:
                process.check()
            await asyncio.sleep(0.1)
    finally:
        await admin.close()
    raise TimeoutError(f"group {group} has not {members} members")
