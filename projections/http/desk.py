"""Where the routes that read get their connections from: short transactions, bounded in time."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from service.access.ring import ROLE
from service.database import hurried
from service.errors import DatabaseAwayError
from service.telemetry import get_logger
from service.waiting import INFRASTRUCTURE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from service.settings import Settings

log = get_logger("projections.http")
READ_SECONDS = 5.0


class Desk:
    """Gives connections of role segments_api."""

    def __init__(self, pool: asyncpg.Pool[Any], settings: Settings) -> None:
        self._pool = pool
        self.settings = settings

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Run one transaction, waits for a connection included.

        Raises: DatabaseAwayError when Postgres is away, or has not answered within READ_SECONDS.
        """
        try:
            async with hurried(self._pool, self.settings, ROLE, READ_SECONDS) as connection:
                yield connection
        except INFRASTRUCTURE as error:
            log.warning("a question to Postgres failed", error=f"{type(error).__name__}: {error}")
            raise DatabaseAwayError from error
