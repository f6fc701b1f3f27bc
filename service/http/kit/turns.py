"""The event loop's time, shared among networks."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from types import coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

# The time for one network in a round; its last step may exceed it.
ROUND_SECONDS = 0.002
# A network counts as active for this long after it ran.
RECENT_SECONDS = 1.0


class Turns:
    """Runs requests step by step; a step lasts from one await to the next.

    A round is one pass of the event loop. A network that has used its time in a round continues in later rounds, in
    order of arrival. So a request of another network waits for that time, not for all requests before it. A network
    that is alone is never delayed.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        # Of this round, by network: seconds, and steps.
        self._ran: dict[str, list[float]] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._recent: set[str] = set()
        self._before: set[str] = set()
        self._since = clock()
        # The network that is alone on the loop; its time is not counted.
        self._alone: str | None = None
        self._ends = False

    @coroutine
    def run(self, network: str, work: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
        """Run a network's request to its end. A cancelled request continues at once, to clean up."""
        value: Any = None
        thrown: BaseException | None = None
        while True:
            if network != self._alone and thrown is None and self._must_wait(network):
                try:
                    yield from self._turn(network)
                except asyncio.CancelledError as error:
                    thrown = error
            began = None if network == self._alone else self._clock()
            try:
                awaited = work.send(value) if thrown is None else work.throw(thrown)
            except StopIteration:
                return
            finally:
                # The exception refers to this frame, and through it to everything that the request has read.
                value = thrown = None
                if began is not None:
                    self._count(network, self._clock() - began)
            try:
                value = yield awaited
            except GeneratorExit:
                work.close()
                raise
            except BaseException as error:  # noqa: BLE001 - the request decides what it means
                thrown = error

    def _must_wait(self, network: str) -> bool:
        if network in self._waiting:
            return True
        ran = self._ran.get(network)
        return ran is not None and ran[0] >= ROUND_SECONDS

    def _turn(self, network: str) -> asyncio.Future[None]:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(network, deque()).append(turn)
        return turn

    def _count(self, network: str, seconds: float) -> None:
        ran = self._ran.get(network)
        if ran is None:
            ran = self._ran[network] = [0.0, 0]
            self._recent.add(network)
            self._alone = network if self._recent | self._before == {network} else None
        ran[0] += seconds
        ran[1] += 1
        if not self._ends:
            self._end_soon()

    def _end_soon(self) -> None:
        """End the round in the loop's next pass."""
        self._ends = True
        asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        """End the round; for each waiting network, continue as many steps as fit into the next one."""
        for network, queue in list(self._waiting.items()):
            seconds, steps = self._ran.get(network, (0.0, 0))
            most = int(ROUND_SECONDS * steps / seconds) if seconds else 0
            self._let_go_on(queue, max(1, most))
            if not queue:
                del self._waiting[network]
        self._ran.clear()
        now = self._clock()
        if now - self._since > RECENT_SECONDS:
            self._before, self._recent, self._since = self._recent, set(), now
        self._ends = False
        if self._waiting:
            self._end_soon()

    def _let_go_on(self, queue: deque[asyncio.Future[None]], most: int) -> None:
        while queue and most:
            turn = queue.popleft()
            if not turn.done():  # cancelled
                turn.set_result(None)
                most -= 1
