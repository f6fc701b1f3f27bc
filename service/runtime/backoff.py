"""Backoff while a server is unavailable, interruptible by a stop event."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import asyncpg
from aiokafka.errors import KafkaError

# Infrastructure errors: retried, and never a reason to reject a record or to exit. Other errors end the process.
# InternalClientError: asyncpg found a connection in an invalid state, for example cut while the process was frozen.
INFRASTRUCTURE = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    KafkaError,
)
FIRST_SECONDS, LAST_SECONDS = 0.05, 5.0


async def sleep_unless(stop: asyncio.Event, seconds: float) -> None:
    """Sleep for `seconds`, or until `stop` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


class Outage:
    """The kinds of errors that were logged since the last success, so that each is logged once per outage."""

    def __init__(self) -> None:
        self._logged: set[type[BaseException]] = set()

    @property
    def began(self) -> bool:
        """Whether an error was logged since the last success."""
        return bool(self._logged)

    def is_news(self, error: BaseException) -> bool:
        """Whether an error of this kind was not logged yet. Marks it as logged."""
        is_news = type(error) not in self._logged
        self._logged.add(type(error))
        return is_news

    def ends(self) -> None:
        """Record a success: the next error is logged again."""
        self._logged.clear()


class Backoff:
    """Exponential backoff with jitter, up to 5 s."""

    def __init__(self) -> None:
        self._seconds = FIRST_SECONDS

    def next(self) -> float:
        """Return the seconds to wait now."""
        seconds = self._seconds * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
        self._seconds = min(self._seconds * 2, LAST_SECONDS)
        return seconds

    def reset(self) -> None:
        """Start over after a success."""
        self._seconds = FIRST_SECONDS
