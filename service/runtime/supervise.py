"""Work that repeats until a stop. Infrastructure errors are logged and retried; other errors end the process."""

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
    """Repeats work until `stop` is set, and retries after infrastructure errors. Other errors are raised.

    An error is logged as `waits`, each kind once per outage; a missing ACL is logged at level error. logs_recovery:
    only the first error of an outage is logged, and its end as `recovered`. context: added to each line.
    """

    def __init__(
        self,
        stop: asyncio.Event,
        log: BoundLogger,
        waits: str,
        *,
        level: Literal["debug", "info", "warning"] = "info",
        logs_recovery: bool = False,
        **context: Any,
    ) -> None:
        self.stop = stop
        self._log = log
        self._context = context
        self._waits = waits
        self._level = level
        self._logs_recovery = logs_recovery
        self._backoff = Backoff()
        self._outage = Outage()

    async def run(self, work: Callable[[], Awaitable[object]], every: float | None = None) -> None:
        """Repeat `work` until `stop` is set.

        every: the seconds between rounds, after an error too; a round without an error ends an outage. None: `work`
        sets its own pace and calls `succeeded` itself, and an error is followed by a backoff.
        """
        while not self.stop.is_set():
            try:
                await work()
            except _FAULTS as error:
                await self.wait(error, every)
            else:
                if every is not None:
                    self.succeeded()
                    await sleep_unless(self.stop, every)

    async def repeat(self, work: Callable[[], Awaitable[float]]) -> None:
        """Repeat rounds of `work` until `stop` is set. A round ends an outage, and returns the seconds to the next."""
        while not self.stop.is_set():
            seconds = await work()
            self.succeeded()
            await sleep_unless(self.stop, seconds)

    async def until_done(self, work: Callable[[], Awaitable[_T]]) -> _T | None:
        """Repeat `work` until it succeeds, and return its result; None if `stop` is set first."""
        while not self.stop.is_set():
            try:
                result = await work()
            except _FAULTS as error:
                await self.wait(error)
            else:
                self.succeeded()
                return result
        return None

    async def wait(self, error: BaseException, seconds: float | None = None) -> None:
        """Log an error and wait for `seconds`, or for the backoff."""
        self.log_error(error)
        await sleep_unless(self.stop, self._backoff.next() if seconds is None else seconds)

    def log_error(self, error: BaseException) -> None:
        """Log an error, unless one of its kind was logged in this outage."""
        began, is_denied = self._outage.began, isinstance(error, DENIED)
        if self._outage.is_news(error) and (is_denied or not (began and self._logs_recovery)):
            write = self._log.error if is_denied else getattr(self._log, self._level)
            write(self._waits, **self._context, error=f"{type(error).__name__}: {error}")

    def succeeded(self) -> None:
        """Record a success, which ends an outage."""
        if self._logs_recovery and self._outage.began:
            self._log.info("recovered", **self._context)
        self._outage.ends()
        self._backoff.reset()
