"""The flows of a load: ingest alone, ingest with projections, and projections after ingest.

In each, the processes are started and warmed up first, then frozen (SIGSTOP) while the load is published or stored, so
that all of it is present when they resume and its preparation takes no time from them. The clock runs from then until
the rows of lanes or checkpoints show that everything is done.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks.load import Publisher
from benchmarks.processes import running
from benchmarks.progress import logged, settle, wait_logged, wait_projected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.load import Message
    from benchmarks.processes import Running
    from benchmarks.world import World

# A projection's session that is not between two transactions.
_OPEN = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'segments_project' AND state <> 'idle'
"""
INGESTS = ("ingest", "ingest")


async def ingest_rate(world: World, load: Iterable[Message]) -> float:
    """Two processes ingest a load from Kafka; records per second."""
    async with running(world, *INGESTS) as processes, Publisher(world.settings) as publisher:
        publisher.prepare(load)
        before = await settle(world, processes, len(INGESTS))
        await _publish_held(world, processes, publisher)
        began = _resume(processes)
        ended = await wait_logged(world, processes, before + publisher.records)
    return publisher.records / (ended - began)


async def follow_rate(
    world: World,
    load: Iterable[Message],
    projects: int = 1,
    look: Callable[[Sequence[Running]], None] = lambda _processes: None,
) -> float:
    """Two processes ingest a load while others fold it; records per second until the views contain it.

    look: called with the processes at the end, before they are stopped.
    """
    roles = (*INGESTS, *["project"] * projects)
    async with running(world, *roles) as processes, Publisher(world.settings) as publisher:
        publisher.prepare(load)
        before = await settle(world, processes, len(INGESTS))
        await wait_projected(world, processes, before)
        await _publish_held(world, processes, publisher)
        began = _resume(processes)
        ended = await wait_projected(world, processes, before + publisher.records)
        look(processes)
    return publisher.records / (ended - began)


async def catch_up_rate(world: World, load: Iterable[Message], projects: int = 1) -> float:
    """Projection processes fold a load that is already in the log, without ingest; records per second."""
    async with running(world, *["project"] * projects) as folding:
        async with running(world, *INGESTS) as storing, Publisher(world.settings) as publisher:
            publisher.prepare(load)
            before = await settle(world, storing, len(INGESTS))
            total = before + publisher.records
            await wait_projected(world, folding, before)
            await _hold_idle(world, folding)
            await publisher.publish()
            await wait_logged(world, storing, total)
        await world.owner.execute("VACUUM ANALYZE segments.event")
        await world.owner.execute("CHECKPOINT")
        assert await logged(world) == total  # noqa: S101 - the whole load is in the log
        began = _resume(folding)
        ended = await wait_projected(world, folding, total)
    return publisher.records / (ended - began)


async def _hold_idle(world: World, folding: Sequence[Running]) -> None:
    """Freeze projection processes between two transactions; Postgres would end an open one."""
    for _ in range(200):
        for process in folding:
            process.hold()
        await asyncio.sleep(0.05)
        if not await world.owner.fetchval(_OPEN):
            return
        for process in folding:
            process.resume()
        await asyncio.sleep(0.05)
    raise TimeoutError("the projection processes are never idle")


async def _publish_held(world: World, processes: Sequence[Running], publisher: Publisher) -> None:
    await world.owner.execute("CHECKPOINT")
    for process in processes:
        process.hold()
    await publisher.publish()


def _resume(processes: Sequence[Running]) -> float:
    began = time.perf_counter()
    for process in processes:
        process.resume()
    return began
