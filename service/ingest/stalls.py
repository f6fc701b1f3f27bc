"""What keeps an append waiting for a lock is said in the log, with whoever holds it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from service.log.append import ROLE
from service.postgres.database import open_database
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor

if TYPE_CHECKING:
    import asyncio

    from service.postgres.database import Database
    from service.runtime.settings import Settings

log = get_logger("ingest.stalls")
EVERY_SECONDS = 1.0
STALLED_SECONDS = 5
LOOK_SECONDS = 5
# Sessions of the ingest that wait for a lock in one statement, and who is in their way: by holding it, or by standing
# before them in its queue.
_STALLS = """
SELECT w.pid, w.query_start, extract(epoch FROM clock_timestamp() - w.query_start)::integer AS seconds,
    w.wait_event AS lock,
    (SELECT array_agg(b.pid || ' (' || concat_ws(', ', a.usename, nullif(a.application_name, ''), a.state) || ')')
        FROM unnest(pg_blocking_pids(w.pid)) AS b (pid) LEFT JOIN pg_stat_activity AS a ON a.pid = b.pid
    ) AS blocked_by
FROM pg_stat_activity AS w
WHERE w.application_name = $1 AND w.datname = current_database() AND w.usename = session_user
    AND w.wait_event_type = 'Lock' AND w.query_start < clock_timestamp() - make_interval(secs => $2)
"""


async def tell_stalls(settings: Settings, stop: asyncio.Event) -> None:
    """Say once a stall what an append, or a look-up for one, has waited for since 5 s; until `stop` is set.

    On a connection of its own: those of the ingest may all be waiting.
    """
    told: set[tuple[int, Any]] = set()
    supervisor = Supervisor(stop, log, "stalls are not looked for", level="debug")
    async with open_database(settings, ROLE, 1) as database:
        try:
            await supervisor.run(partial(_look, database, told), EVERY_SECONDS)
        finally:
            database.terminate()


async def _look(database: Database, told: set[tuple[int, Any]]) -> None:
    """Look once. told: the stalls that were there at the last look."""
    async with database.hurried(LOOK_SECONDS) as connection:
        # As the login itself: its sessions are hidden from a role that it took on.
        await connection.execute("SET LOCAL ROLE NONE")
        rows = await connection.fetch(_STALLS, ROLE, STALLED_SECONDS)
    stalled = {(row["pid"], row["query_start"]): row for row in rows}
    for stall in stalled.keys() - told:
        row = stalled[stall]
        log.warning(
            "an append waits for a lock", pid=row["pid"], lock=row["lock"], seconds=row["seconds"],
            blocked_by=row["blocked_by"],
        )  # fmt: skip
    told.clear()
    told.update(stalled)
