"""Ends the session of a process that was stopped inside a COPY: it holds its lane's row, and no timeout frees it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import asyncpg

from service.log.append import ROLE
from service.postgres.database import database_url, statements
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings

log = get_logger("ingest.unblock")
SQL = statements("service.ingest.sql")
PATIENCE_SECONDS = 4.0


@asynccontextmanager
async def unblock(settings: Settings, lane_id: int) -> AsyncIterator[None]:
    """While the block runs, end sessions that make it wait for the lane's row for longer than 4 s."""
    watch = asyncio.create_task(_watch(settings, lane_id), name=f"unblock {lane_id}")
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.wait(
            [watch]
        )  # and not `await watch`: our own cancellation must not pass for the watch's


async def _watch(settings: Settings, lane_id: int) -> None:
    while True:
        await asyncio.sleep(PATIENCE_SECONDS)
        with suppress(asyncpg.PostgresError, OSError, asyncpg.InterfaceError, TimeoutError):
            for pid in await end_stuck(settings, PATIENCE_SECONDS):
                log.warning("ended a stuck session that held a lane", lane_id=lane_id, pid=pid)


async def end_stuck(settings: Settings, seconds: float) -> list[int]:
    """End the sessions that block appends by transactions older than `seconds`; return their pids."""
    connection = await asyncpg.connect(database_url(settings), timeout=5)
    try:
        return [
            row["pid"] for row in await connection.fetch(SQL["end_stuck_sessions"], seconds, ROLE)
        ]
    finally:
        connection.terminate()  # close() waits for an answer, also when we are cancelled
