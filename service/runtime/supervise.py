"""Work that goes on until a stop: what is away is told and waited for, anything else ends the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from service.runtime.backoff import INFRASTRUCTURE, Backoff, Outage, sleep_unless
from service.runtime.denied import DENIED
from service.runtime.errors import DatabaseAwayError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from structlog.stdlib import BoundLogger

_T = TypeVar("_T")
_FAULTS = (*INFRASTRUCTURE, DatabaseAwayError)


class Supervisor:
    """Repeats work until `stop` is set, and waits out faults of the infrastructure. Anything else is raised.

    A fault is logged as `waits`, each kind once until all is well again; one that operators must mend as an error.
    tells_end: of an outage only the first fault is logged, and its end as `going on`. context: goes with each line.
    """

    def __init__(
        self,
        stop: asyncio.Event,
        log: BoundLogger,
        waits: str,
        *,
        level: Literal["debug", "info", "warning"] = "info",
        tells_end: bool = False,
        **context: Any,
    ) -> None:
        self.stop = stop
        self._log = log
        self._context = context
        self._waits = waits
        self._level = level
        self._tells_end = tells_end
        self._backoff = Backoff()
        self._outage = Outage()

    async def run(self, work: Callable[[], Awaitable[object]], every: float | None = None) -> None:
        """Repeat `work` until `stop` is set.

        every: so many seconds lie between its rounds, after a fault too, and one without a fault ends an outage.
        Without it work takes its own time and says `well` itself, and a fault is waited out with backoff.
        """
        while not self.stop.is_set():
            try:
                await work()
            except _FAULTS as error:
                await self.wait(error, every)
            else:
                if every is not None:
                    self.well()
                    await sleep_unless(self.stop, every)

    async def repeat(self, work: Callable[[], Awaitable[float]]) -> None:
        """Repeat rounds of work, which end an outage, until `stop` is set; each gives the seconds until the next."""
        while not self.stop.is_set():
            seconds = await work()
            self.well()
            await sleep_unless(self.stop, seconds)

    async def until_done(self, work: Callable[[], Awaitable[_T]]) -> _T | None:
        """Repeat `work` until it succeeds, and give its result; None when `stop` is set before."""
        while not self.stop.is_set():
            try:
                result = await work()
            except _FAULTS as error:
                await self.wait(error)
            else:
                self.well()
                return result
        return None

    async def wait(self, error: BaseException, seconds: float | None = None) -> None:
        """Log a fault, and wait: so many seconds, or as long as the backoff says."""
        self.tell(error)
        await sleep_unless(self.stop, self._backoff.next() if seconds is None else seconds)

    def tell(self, error: BaseException) -> None:
        """Log a fault, unless it was since all was well."""
        began, is_denied = self._outage.began, isinstance(error, DENIED)
        if self._outage.is_news(error) and (is_denied or not (began and self._tells_end)):
            tell = self._log.error if is_denied else getattr(self._log, self._level)
            tell(self._waits, **self._context, error=f"{type(error).__name__}: {error}")

    def well(self) -> None:
        """All is well: an outage, if there was one, is over."""
        if self._tells_end and self._outage.began:
            self._log.info("going on", **self._context)
        self._outage.ends()
        self._backoff.reset()
