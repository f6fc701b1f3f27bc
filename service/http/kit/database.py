"""Connections for routes: short transactions, limited in time, shared among networks."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from service.http.kit.shares import Shares
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.errors import DatabaseAwayError
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from service.postgres.database import Database

log = get_logger("api.database")
# Long enough for another registry change to end.
SECONDS = 5.0


class SharedDatabase:
    """Shares the connections of a database among networks. It is the only user of that database object."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._shares = Shares(database.size)
        self.settings = database.settings

    @asynccontextmanager
    async def transaction(
        self, network_id: str, *, repeatable: bool = False, seconds: float | None = None
    ) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Run one transaction for a network, within a limit that includes the wait for a connection.

        repeatable: read only, and all of its statements see the same rows. seconds: the limit; None: SECONDS.

        Raises: Problem 503 if the network has as many under way as it may; DatabaseAwayError if Postgres is away or
        has not answered within the limit.
        """
        loop = asyncio.get_running_loop()
        seconds = SECONDS if seconds is None else seconds
        until = loop.time() + seconds
        async with self._shares.place(network_id, SECONDS):
            left = max(until - loop.time(), seconds / 5)
            try:
                async with self._database.hurried(left, repeatable=repeatable) as connection:
                    yield connection
            except INFRASTRUCTURE as error:
                log.warning("a query failed", error=f"{type(error).__name__}: {error}")
                raise DatabaseAwayError from error
