"""Ends the session of a process that was stopped inside a COPY: it holds its lane's row, and no timeout frees it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import asyncpg

from service.log.append import ROLE
from service.postgres.database import database_url
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings

log = get_logger("ingest.unblock")
PATIENCE_SECONDS = 4.0
# Ends the backends of ingest that block an append and have been in one transaction for as long as it has waited, also
# indirectly, through an erasure that waits for them.
# A session that waits for a row holds its `tuple` lock, or queues for it; the erasure gate is locked before it. An
# append that waits for anything else, such as a command of another lane, is left to that lane's next owner.
# It runs as the login itself, which may end its own sessions but may not read the tables, so it uses the catalogs.
_UNBLOCK = """
WITH RECURSIVE blocking AS (
    SELECT b.pid FROM pg_locks AS k
    INNER JOIN pg_database AS d ON k.database = d.oid AND d.datname = current_database()
    INNER JOIN pg_class AS c ON k.relation = c.oid
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid AND n.nspname = 'segments'
    INNER JOIN pg_stat_activity AS w ON k.pid = w.pid
    CROSS JOIN LATERAL unnest(pg_blocking_pids(k.pid)) AS b (pid)
    WHERE w.wait_event_type = 'Lock' AND w.application_name = $2
        AND (c.relname = 'lane' AND k.locktype = 'tuple' OR c.relname = 'erasure_gate' AND NOT k.granted)
    UNION
    SELECT b.pid FROM blocking AS w CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS b (pid)
)
SELECT pg_terminate_backend(a.pid), a.pid FROM blocking AS b
INNER JOIN pg_stat_activity AS a ON a.pid = b.pid
WHERE a.wait_event_type IS DISTINCT FROM 'Lock' AND a.application_name = $2 AND a.usename = current_user
    AND a.xact_start < clock_timestamp() - make_interval(secs => $1)
"""


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
        return [row["pid"] for row in await connection.fetch(_UNBLOCK, seconds, ROLE)]
    finally:
        connection.terminate()  # close() waits for an answer, also when we are cancelled
