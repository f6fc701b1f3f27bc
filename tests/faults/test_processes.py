"""Whatever is killed or stopped, at whatever moment: nothing is lost, nothing counts twice."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.load import kill_and_replace, under_load
from tests.support.roles import Process

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.fault]
BOTH = ["ingest", "ingest", "project", "project"]


async def kills(settings: Settings, *, times: int, commands: int, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - to be had again by its seed
    async with under_load(
        settings, list(BOTH), seed=seed, commands=commands, seconds=times
    ) as running:
        for _ in range(times):
            await kill_and_replace(settings, running, rng)


async def test_kill_9_of_any_process_under_load_loses_and_doubles_nothing(faulty: Settings) -> None:
    await kills(faulty, times=6, commands=4000, seed=1)


@pytest.mark.chaos
async def test_views_equal_the_oracle_on_20000_commands_after_20_kills(faulty: Settings) -> None:
    await kills(faulty, times=20, commands=20_000, seed=2)


async def test_a_stopped_ingest_is_replaced_and_writes_nothing_when_it_wakes(
    faulty: Settings,
) -> None:
    """Hazards 11 and 12: whoever was stopped in mid-append holds nothing up for long, and has lost its lanes."""
    async with under_load(
        faulty, ["ingest", "project"], seed=3, commands=4000, seconds=16
    ) as running:
        await asyncio.sleep(2)
        running[0].pause()
        running.append(Process(faulty, "ingest"))
        await asyncio.sleep(
            14
        )  # longer than the group's session timeout: the lanes move to the other one
        running[0].resume()


async def test_a_stopped_projection_worker_holds_nobody_up_for_long(faulty: Settings) -> None:
    async with under_load(
        faulty, ["ingest", "project", "project"], seed=4, commands=3000, seconds=8
    ) as running:
        await asyncio.sleep(2)
        running[1].pause()
        await asyncio.sleep(6)
        running[1].resume()


async def test_rebalances_under_load_lose_and_double_nothing(faulty: Settings) -> None:
    async with under_load(
        faulty, ["ingest", "project"], seed=5, commands=4000, seconds=8
    ) as running:
        for _ in range(4):
            running.append(Process(faulty, "ingest"))
            await running[-1].wait_for_output("lanes assigned")
            code, output = await asyncio.to_thread(running.pop().stop)
            assert code == 0, output
