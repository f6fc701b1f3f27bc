"""What several ask for at once is done in one round; each gets its own answer, or the round's error."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from service.runtime.coalesce import Coalescer

if TYPE_CHECKING:
    from collections.abc import Sequence


class Work:
    """Doubles numbers, a round at a time, once it is let go."""

    def __init__(self) -> None:
        self.rounds: list[list[int]] = []
        self.go = asyncio.Event()

    async def __call__(self, asked: Sequence[int]) -> list[int]:
        self.rounds.append(list(asked))
        await self.go.wait()
        if 13 in asked:
            raise ValueError("13")
        return [2 * number for number in asked]


async def begin(gather: Coalescer[int, int], *numbers: int) -> list[asyncio.Task[int]]:
    """Ask for each, and let the asking get as far as it goes by itself."""
    tasks = [asyncio.create_task(gather(number)) for number in numbers]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_what_is_asked_while_a_round_is_under_way_goes_into_the_next_one() -> None:
    work = Work()
    gather = Coalescer(work, 3)
    tasks = await begin(gather, 1)
    tasks += await begin(gather, 2, 3, 4, 5)
    work.go.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10]
    assert work.rounds == [[1], [2, 3, 4], [5]]


async def test_an_error_is_raised_for_its_round_and_no_other() -> None:
    work = Work()
    gather = Coalescer(work, 2)
    tasks = await begin(gather, 1)
    tasks += await begin(gather, 13, 2, 3)
    work.go.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(one) for one in done] == ["2", "13", "13", "6"]


async def test_who_is_cancelled_is_left_out_and_the_others_get_their_answers() -> None:
    work = Work()
    gather = Coalescer(work, 5)
    in_flight, beside = await begin(gather, 1, 2)
    waiting, after = await begin(gather, 3, 4)
    in_flight.cancel()
    waiting.cancel()
    work.go.set()
    assert [await beside, await after] == [4, 8]
    assert work.rounds == [[1, 2], [4]]


async def test_a_stop_cancels_the_round_under_way_and_all_who_wait() -> None:
    work = Work()
    gather = Coalescer(work, 5)
    tasks = [*await begin(gather, 1), *await begin(gather, 2)]
    (running,) = gather.stop()
    await asyncio.wait([running, *tasks])
    assert all(task.cancelled() for task in (running, *tasks))
    assert gather.stop() == set()
    work.go.set()
    with pytest.raises(ValueError, match="13"):
        await gather(13)
