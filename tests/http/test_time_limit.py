"""Blocks that take too long are ended by one timer for all, and others are left alone."""

from __future__ import annotations

import asyncio

import pytest

from service.http.kit.time_limit import TimeLimit
from tests.support.waiting import PATIENCE


async def wait(limit: TimeLimit, event: asyncio.Event) -> str:
    task = asyncio.current_task()
    assert task is not None
    try:
        with limit.block():
            await event.wait()
    except TimeoutError:
        assert not task.cancelling()
        return "late"
    return "in time"


async def test_a_block_that_ends_in_time_is_left_alone() -> None:
    limit, event = TimeLimit(PATIENCE), asyncio.Event()
    tasks = [asyncio.create_task(wait(limit, event)) for _ in range(3)]
    await asyncio.sleep(0)
    event.set()
    assert await asyncio.gather(*tasks) == ["in time"] * 3


async def test_every_block_that_does_not_is_ended_also_one_that_began_after_the_timer() -> None:
    limit, event = TimeLimit(0.01), asyncio.Event()
    event.set()
    assert await wait(limit, event) == "in time"
    event.clear()
    for _ in range(2):
        tasks = []
        for _ in range(3):
            tasks.append(asyncio.create_task(wait(limit, event)))
            await asyncio.sleep(0.001)
        assert await asyncio.gather(*tasks) == ["late"] * 3


async def test_a_block_that_somebody_else_cancels_is_cancelled() -> None:
    task = asyncio.create_task(wait(TimeLimit(PATIENCE), asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_a_block_raises_is_raised() -> None:
    with pytest.raises(KeyError, match="x"), TimeLimit(PATIENCE).block():
        raise KeyError("x")
