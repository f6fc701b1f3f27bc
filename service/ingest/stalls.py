"""Logs appends that wait for a lock, with the sessions that hold it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from service.log.append import ROLE
from service.postgres.database import open_database, statements
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor

if TYPE_CHECKING:
    import asyncio

    from service.postgres.database import Database
    from service.runtime.settings import Settings

log = get_logger("ingest.stalls")
SQL = statements("service.ingest.sql")
EVERY_SECONDS = 1.0
STALLED_SECONDS = 5
LOOK_SECONDS = 5


async def log_stalls(settings: Settings, stop: asyncio.Event) -> None:
    """Log each lock wait of an append, or a look-up for one, longer than 5 s once, until `stop` is set.

    It uses a connection of its own, because those of ingest may all be waiting.
    """
    logged: set[tuple[int, Any]] = set()
    supervisor = Supervisor(stop, log, "monitoring of lock waits delayed", level="debug")
    async with open_database(settings, ROLE, 1) as database:
        try:
            await supervisor.run(partial(_look, database, logged), EVERY_SECONDS)
        finally:
            database.terminate()


async def _look(database: Database, logged: set[tuple[int, Any]]) -> None:
    """Log new stalls. logged: those of the last call; updated."""
    async with database.hurried(LOOK_SECONDS) as connection:
        # As the login itself, because its sessions are hidden from the role that it has taken on.
        await connection.execute("SET LOCAL ROLE NONE")
        rows = await connection.fetch(SQL["lock_waits"], ROLE, STALLED_SECONDS)
    stalled = {(row["pid"], row["query_start"]): row for row in rows}
    for stall in stalled.keys() - logged:
        row = stalled[stall]
        log.warning(
            "an append waits for a lock", pid=row["pid"], lock=row["lock"], seconds=row["seconds"],
            blocked_by=row["blocked_by"],
        )  # fmt: skip
    logged.clear()
    logged.update(stalled)
