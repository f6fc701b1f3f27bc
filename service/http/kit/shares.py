"""Connections shared out among networks: none has more than half of them, and each waits for its own alone."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from service.http.kit.problems import unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Questions of one network that wait for a connection; more are refused at once.
MOST_WAITING = 100


class Shares:
    """Places for questions to Postgres. Networks that wait get one in turn, of one network whoever came first."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._share = max(1, most // 2)
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def place(self, network_id: str, seconds: float) -> AsyncIterator[None]:
        """Hold a place for a network, once there is one.

        Raises: Problem 503 `busy`, with Retry-After, where so many wait already or the seconds pass.
        """
        if self._free and self._held[network_id] < self._share:
            self._take(network_id)
        else:
            await self._wait(network_id, seconds)
        try:
            yield
        finally:
            self._give_back(network_id)

    async def _wait(self, network_id: str, seconds: float) -> None:
        queue = self._waiting.setdefault(network_id, deque())
        if len(queue) >= MOST_WAITING:
            raise _busy()
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(turn)
        except BaseException as error:
            if turn.done():  # it came as we left
                self._give_back(network_id)
            else:
                turn.cancel()
            if isinstance(error, TimeoutError):
                raise _busy() from None
            raise

    def _take(self, network_id: str) -> None:
        self._free -= 1
        self._held[network_id] += 1

    def _give_back(self, network_id: str) -> None:
        self._free += 1
        self._held[network_id] -= 1
        if not self._held[network_id]:
            del self._held[network_id]
        self._hand_on()

    def _hand_on(self) -> None:
        """Give what is free to those who wait; whoever got one goes to the end of the line of networks."""
        for network_id, queue in list(self._waiting.items()):
            while queue and queue[0].cancelled():
                queue.popleft()
            if queue and self._free and self._held[network_id] < self._share:
                self._take(network_id)
                queue.popleft().set_result(None)
                self._waiting.move_to_end(network_id)
            if not queue:
                del self._waiting[network_id]


def _busy() -> Exception:
    return unavailable("busy", "too many questions of this network are under way")
