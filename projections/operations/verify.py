"""Compares the views with the fold of the log, in one snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from projections.fold.worker import fold_digest
from service.log.proof import altered_events
from service.postgres.database import give_longer, statements
from service.postgres.guards import guard_faults
from service.runtime.progress import silent

if TYPE_CHECKING:
    import asyncpg

    from service.runtime.progress import Progress

SQL = statements("projections.operations.sql")
CHECK_SECONDS = 3600
CHECKS = (
    "verify_tiling",
    "verify_counters",
    "verify_references",
    "verify_owners",
    "verify_digests",
    "verify_fold",
    "verify_kept",
    "verify_rows",
    "verify_size",
    "verify_watermark",
    "verify_generation",
    "verify_published",
)


async def verify(
    connection: asyncpg.Connection[Any], progress: Progress = silent
) -> list[dict[str, str | None]]:
    """Compare every view of a projection with the fold of the log, and check guarantee 1's tiling and counters.

    Also compares each row of the log with its digests, the guards of the log with the migrations, and checkpoints,
    watermarks, generations and the positions of the outboxes with the log.

    progress: is told before each check.
    Returns: the differences, at most 100 per check: view or table, key, expected, found.
    """
    differences = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("SET LOCAL work_mem = '128MB'")
        await give_longer(connection, CHECK_SECONDS)
        steps = len(CHECKS) + 2
        for done, check in enumerate(CHECKS):
            await progress(check.removeprefix("verify_"), done, steps)
            parameters = (fold_digest(),) if check == "verify_generation" else ()
            rows = await connection.fetch(SQL[check], *parameters, timeout=CHECK_SECONDS)
            differences += [dict(row) for row in rows]
        await progress("content", steps - 2, steps)
        differences += await altered_events(connection)
        await progress("guards", steps - 1, steps)
        differences += await guard_faults(connection)
    return differences
