"""The event loop's time, shared out among networks: how long requests of one run before those of others go on."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from types import coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

# So long requests of one network run in a round, and one step more.
ROUND_SECONDS = 0.002
# A network that ran within so long is one that others share the loop with.
RECENT_SECONDS = 1.0


class Turns:
    """Runs requests step by step; a step goes from one wait to the next.

    A round is one pass of the event loop. What a network has left to run after its time goes on in later rounds, in the
    order in which it came, so a request of another network waits for that time and not for all of those requests. A
    network that has the loop for itself is never held up.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        # Of this round, by network: seconds, and steps.
        self._ran: dict[str, list[float]] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._recent: set[str] = set()
        self._before: set[str] = set()
        self._since = clock()
        # Who has the loop to itself; of it nothing is counted.
        self._alone: str | None = None
        self._ends = False

    @coroutine
    def run(self, network: str, work: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
        """Run a network's request to its end. Whoever is cancelled goes on at once, to clean up."""
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
                # What was thrown holds this frame, and with it all that the request has read.
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
        """Let the round end in the loop's next pass."""
        self._ends = True
        asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        """End the round; of each network that waits, let as many steps go on as fit into the next one."""
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
