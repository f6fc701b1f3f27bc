"""What publishes from tables to topics of our prefix: while they are ours, until a stop, waiting out what is away."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from service.postgres.database import open_database
from service.registry.installation import while_ours
from service.runtime.supervise import Supervisor

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from structlog.stdlib import BoundLogger

    from service.postgres.database import Database
    from service.runtime.settings import Settings

# One to work with, one to look whose the topics are, one to keep a lease.
CONNECTIONS = 3


async def run_outbox(
    settings: Settings,
    role: str,
    stop: asyncio.Event,
    publish: Callable[[Database, Supervisor], Awaitable[None]],
    log: BoundLogger,
    waits: str,
) -> None:
    """Run `publish` as `role` until `stop` is set, if the topics are ours; a fault is logged as `waits`.

    publish: ends when its supervisor's `stop` is set, and says to it when all is well.
    """
    async with open_database(settings, role, CONNECTIONS) as database:

        async def work(until: asyncio.Event) -> None:
            supervisor = Supervisor(until, log, waits)
            await supervisor.run(partial(publish, database, supervisor))

        await while_ours(database, stop, work)
