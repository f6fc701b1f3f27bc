"""Where routes get their connections from: short transactions, bounded in time."""

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

log = get_logger("api.desk")
# Long enough for another change of the registry to end.
SECONDS = 5.0


class Desk:
    """Gives connections of one role, in which the pool acts."""

    def __init__(self, pool: asyncpg.Pool[Any], settings: Settings, role: str = ROLE) -> None:
        self._pool = pool
        self._role = role
        self.settings = settings

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Run one transaction, waits for a connection included.

        Raises: DatabaseAwayError when Postgres is away, or has not answered within SECONDS.
        """
        try:
            async with hurried(self._pool, self.settings, self._role, SECONDS) as connection:
                yield connection
        except INFRASTRUCTURE as error:
            log.warning("a question to Postgres failed", error=f"{type(error).__name__}: {error}")
            raise DatabaseAwayError from error
