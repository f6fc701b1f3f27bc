"""Places shared among networks, by number and by the time that they are held: connections, for queries.

A network has at most half of the connections; only one while others query as well and its own queries take long.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, OrderedDict, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from service.http.kit.problems import unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

# A network's queries take long if their seconds, added up and halved each second, exceed this.
LONG_SECONDS = 0.5
# A network counts as active for this long after its last query.
RECENT_SECONDS = 2.0
# Queries of one network that may wait for a connection; more are refused at once.
MOST_WAITING = 100


class Shares:
    """Places for queries. Waiting networks get one in turn; the queries of one network in their order."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._free = most
        self._share = max(1, most // 2)
        self._clock = clock
        self._held: Counter[str] = Counter()
        self._usage: dict[str, _Usage] = {}
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def place(self, network_id: str, seconds: float) -> AsyncIterator[None]:
        """Wait for a place for a network, and hold it while the block runs.

        Raises: Problem 503 `busy`, with Retry-After, if too many wait already or the seconds pass.
        """
        if network_id not in self._usage:
            self._forget_quiet()
            self._usage[network_id] = _Usage(self._clock())
        if self._free and self._may_have_more(network_id):
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
            if turn.done():  # it was granted while the wait was cancelled
                self._give_back(network_id)
            else:
                turn.cancel()
            if isinstance(error, TimeoutError):
                raise _busy() from None
            raise

    def _may_have_more(self, network_id: str) -> bool:
        """Whether a network may hold one more place; updates its usage."""
        held, now = self._held[network_id], self._clock()
        usage = self._usage[network_id]
        usage.add(held, now)
        if held == 0 or usage.seconds < LONG_SECONDS:
            return held < self._share
        return held < self._share and not self._others_ask(network_id, now)

    def _others_ask(self, network_id: str, now: float) -> bool:
        return any(
            other != network_id and (other in self._held or now - usage.at < RECENT_SECONDS)
            for other, usage in self._usage.items()
        )

    def _forget_quiet(self) -> None:
        now = self._clock()
        for network_id, usage in list(self._usage.items()):
            if (
                network_id not in self._held
                and network_id not in self._waiting
                and now - usage.at > RECENT_SECONDS
            ):
                del self._usage[network_id]

    def _take(self, network_id: str) -> None:
        self._usage[network_id].add(self._held[network_id], self._clock())
        self._free -= 1
        self._held[network_id] += 1

    def _give_back(self, network_id: str) -> None:
        self._usage[network_id].add(self._held[network_id], self._clock())
        self._free += 1
        self._held[network_id] -= 1
        if not self._held[network_id]:
            del self._held[network_id]
        self._hand_on()

    def _hand_on(self) -> None:
        """Grant free places to waiting queries; a network that got one goes to the end of the queue."""
        for network_id, queue in list(self._waiting.items()):
            while queue and queue[0].cancelled():
                queue.popleft()
            if queue and self._free and self._may_have_more(network_id):
                self._take(network_id)
                queue.popleft().set_result(None)
                self._waiting.move_to_end(network_id)
            if not queue:
                del self._waiting[network_id]


class _Usage:
    """Seconds that a network's places were held, halved each second. at: as of when."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.seconds = 0.0

    def add(self, places: int, now: float) -> None:
        """Update it: `places` were held since the last update."""
        if now > self.at:
            left = 0.5 ** (now - self.at)
            self.seconds = self.seconds * left + places * (1 - left) / math.log(2)
            self.at = now


def _busy() -> Exception:
    return unavailable("busy", "too many requests of this network are in progress")
