"""Waiting: for what is away, and no longer than until a stop."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import asyncpg
from aiokafka.errors import KafkaError

# Faults of the infrastructure: waited out, never a reason to reject or to end. Anything else ends the process.
# InternalClientError: asyncpg finds a connection in disorder, as when it was cut while we were stopped.
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
    """Sleep for so many seconds, but no longer than until `stop` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


class Outage:
    """Which faults were told since all was well: each kind once, however long it lasts."""

    def __init__(self) -> None:
        self._told: set[type[BaseException]] = set()

    @property
    def began(self) -> bool:
        """Whether a fault was told since all was well."""
        return bool(self._told)

    def is_news(self, error: BaseException) -> bool:
        """Whether a fault of this kind was not told yet; it counts as told from now on."""
        is_news = type(error) not in self._told
        self._told.add(type(error))
        return is_news

    def ends(self) -> None:
        """All is well: the next fault is told."""
        self._told.clear()


class Backoff:
    """Jittered waits that double while something is away, up to 5 s."""

    def __init__(self) -> None:
        self._seconds = FIRST_SECONDS

    def next(self) -> float:
        """Give the seconds to wait now."""
        seconds = self._seconds * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
        self._seconds = min(self._seconds * 2, LAST_SECONDS)
        return seconds

    def reset(self) -> None:
        """What was away is back."""
        self._seconds = FIRST_SECONDS
