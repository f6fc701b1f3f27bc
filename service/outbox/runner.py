"""Runs an outbox: publishing from tables to topics that this installation owns, with retries, until a stop."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from service.postgres.database import open_database
from service.registry.installation import while_owner
from service.runtime.supervise import Supervisor

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from structlog.stdlib import BoundLogger

    from service.postgres.database import Database
    from service.runtime.settings import Settings

# One for the work, one to check the ownership of the topics, one for a lease.
CONNECTIONS = 3


async def run_outbox(
    settings: Settings,
    role: str,
    stop: asyncio.Event,
    publish: Callable[[Database, Supervisor], Awaitable[None]],
    log: BoundLogger,
    waits: str,
) -> None:
    """Run `publish` as `role` until `stop` is set, while this installation owns the topics.

    waits: the log line for errors. publish: ends when its supervisor's `stop` is set, and calls `succeeded` after each
    success.
    """
    async with open_database(settings, role, CONNECTIONS) as database:

        async def work(until: asyncio.Event) -> None:
            supervisor = Supervisor(until, log, waits)
            await supervisor.run(partial(publish, database, supervisor))

        await while_owner(database, stop, work)
