"""Networks share the event loop: a request waits for so much of another network's work, not for all of it.

The clock is the test's: it moves on only as requests run, so how fast the machine is decides nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from service.http.kit.turns import RECENT_SECONDS, ROUND_SECONDS, Turns

if TYPE_CHECKING:
    from collections.abc import Coroutine

STEP = ROUND_SECONDS / 2


class Clock:
    """A clock that requests move on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Log:
    """Runs requests of so many steps, and notes whose step came when."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock)
        self.steps: list[str] = []

    async def request(self, network: str, steps: int) -> None:
        for _ in range(steps):
            self.steps.append(network)
            self.clock.now += STEP
            await asyncio.sleep(0)

    def start(self, network: str, steps: int) -> asyncio.Task[None]:
        return asyncio.create_task(self.run(network, self.request(network, steps)))

    async def run(self, network: str, work: Coroutine[None, None, None]) -> None:
        await self.turns.run(network, work)

    def between(self, network: str) -> int:
        """Count others' steps from the first to the last of a network."""
        first = self.steps.index(network)
        last = len(self.steps) - self.steps[::-1].index(network)
        return last - first - self.steps[first:last].count(network)


async def test_a_request_does_not_wait_for_all_of_another_network_s() -> None:
    log = Log()
    greedy = [log.start("greedy", 10) for _ in range(100)]
    await asyncio.sleep(0)
    await asyncio.gather(log.start("good", 10))
    # Two steps fill a round, and one more may begin in it; each step of a request may have to wait for two rounds.
    assert log.between("good") <= 10 * 2 * 3
    assert not any(task.done() for task in greedy)
    await asyncio.gather(*greedy)
    assert log.steps.count("greedy") == 1000


async def test_requests_of_a_network_that_waits_go_on_in_the_order_in_which_they_came() -> None:
    log = Log()
    ended: list[int] = []

    async def numbered(number: int) -> None:
        await log.request("greedy", 3)
        ended.append(number)

    tasks = [asyncio.create_task(log.run("greedy", numbered(number))) for number in range(50)]
    await asyncio.gather(log.start("good", 1), *tasks)
    assert ended == sorted(ended)


async def test_a_network_that_is_alone_is_not_held_up() -> None:
    log = Log()
    tasks = [log.start("alone", 3) for _ in range(100)]
    passes = 0
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        passes += 1
    assert passes <= 5


async def test_a_network_is_alone_again_once_the_others_have_been_quiet() -> None:
    log = Log()
    await asyncio.gather(log.start("other", 1))
    for _ in range(3):
        log.clock.now += 2 * RECENT_SECONDS
        await asyncio.gather(log.start("alone", 1))
    tasks = [log.start("alone", 1) for _ in range(100)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert all(task.done() for task in tasks)


async def test_who_is_cancelled_while_it_waits_cleans_up_and_the_others_go_on() -> None:
    log = Log()
    cleaned: list[str] = []

    async def work() -> None:
        try:
            await log.request("greedy", 5)
        finally:
            cleaned.append("here")

    tasks = [asyncio.create_task(log.run("greedy", work())) for _ in range(50)]
    good = log.start("good", 3)
    for _ in range(4):
        await asyncio.sleep(0)
    for task in tasks[1::2]:
        task.cancel()
    ended = await asyncio.gather(*tasks, good, return_exceptions=True)
    assert sum(isinstance(one, asyncio.CancelledError) for one in ended) == 25
    assert cleaned == ["here"] * 50


async def test_what_a_request_raises_is_raised() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        await Turns().run("n", work())
