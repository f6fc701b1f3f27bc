"""Doing together what several ask for at the same time: while one round is under way, the next one gathers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


class Coalescer(Generic[_Asked, _Answer]):
    """Calls `work` with all that was asked since its last round, at most `most` at a time; one round at a time.

    It waits for nobody: who asks while no round is under way begins one. work: gives an answer for each, in order.
    """

    def __init__(
        self, work: Callable[[Sequence[_Asked]], Awaitable[Sequence[_Answer]]], most: int
    ) -> None:
        self._work = work
        self._most = most
        self._waiting: list[tuple[_Asked, asyncio.Future[_Answer]]] = []
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, asked: _Asked) -> _Answer:
        """Ask, and wait for the answer. What `work` raises is raised for everybody in its round.

        Whoever is cancelled while waiting is forgotten; a round that began with it goes on for the others.
        """
        answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await answer

    def stop(self) -> set[asyncio.Task[None]]:
        """Cancel the round under way, if any, and whoever waits; gives what is not at its end yet."""
        for _, future in self._waiting:
            future.cancel()
        self._waiting = []
        if self._running is None:
            return set()
        self._running.cancel()
        return {self._running}

    async def _run(self) -> None:
        try:
            while self._waiting:
                round_, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._answer([one for one in round_ if not one[1].done()])
        finally:
            self._running = None

    async def _answer(self, round_: list[tuple[_Asked, asyncio.Future[_Answer]]]) -> None:
        if not round_:
            return
        try:
            answers = await self._work([asked for asked, _ in round_])
        except Exception as error:  # noqa: BLE001 - it is theirs who asked
            for _, future in round_:
                if not future.done():
                    future.set_exception(error)
        except asyncio.CancelledError:
            for _, future in round_:
                future.cancel()
            raise
        else:
            for (_, future), answer in zip(round_, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
