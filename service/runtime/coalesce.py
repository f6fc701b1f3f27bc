"""Coalesces concurrent calls into batches: while one batch runs, the next one collects."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

_Request = TypeVar("_Request")
_Result = TypeVar("_Result")


class Coalescer(Generic[_Request, _Result]):
    """Calls `work` with all requests since the last batch, at most `most` per batch, one batch at a time.

    A request that arrives while no batch is running starts one at once. work: returns one result per request, in order.
    """

    def __init__(
        self, work: Callable[[Sequence[_Request]], Awaitable[Sequence[_Result]]], most: int
    ) -> None:
        self._work = work
        self._most = most
        self._waiting: list[tuple[_Request, asyncio.Future[_Result]]] = []
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, request: _Request) -> _Result:
        """Submit a request and wait for its result. An error of `work` is raised for every request of the batch.

        A cancelled request is dropped if its batch has not started; a running batch continues for the others.
        """
        answer: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await answer

    def stop(self) -> set[asyncio.Task[None]]:
        """Cancel the running batch and all waiting requests. Returns the tasks that have not ended yet."""
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
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._answer([one for one in batch if not one[1].done()])
        finally:
            self._running = None

    async def _answer(self, batch: list[tuple[_Request, asyncio.Future[_Result]]]) -> None:
        if not batch:
            return
        try:
            answers = await self._work([request for request, _ in batch])
        except Exception as error:  # noqa: BLE001 - the callers handle it
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
