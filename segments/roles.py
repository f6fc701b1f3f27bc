"""The roles of the service. Each runs until a stop event; only this module handles signals."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

import asyncpg

from projections.fold.worker import project
from projections.operations.tasks import run_tasks
from projections.outbox.expiries import publish_expiries
from projections.outbox.memberships import publish_memberships
from service.ingest.role import ingest
from service.kafka.clients import topic_faults
from service.kafka.log_filter import watch_kafka
from service.operations.lanes import stopped_open_lanes
from service.outbox.rejected import publish_rejected
from service.postgres.database import database_url
from service.postgres.migrate import require_set_up
from service.registry.command_topics import allowed_topics, read_topics
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.environment import unknown_variables
from service.runtime.errors import DatabaseAwayError, NotSetUpError, SegmentsError
from service.runtime.health import Health, serve_health, stopped_lanes
from service.runtime.logs import get_logger
from service.runtime.tracing import tracing
from service.seal.role import seal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from service.runtime.settings import Settings

    Role = Callable[[Settings, asyncio.Event], Coroutine[Any, Any, None]]

log = get_logger("roles")


async def api(settings: Settings, stop: asyncio.Event) -> None:
    """Serve the HTTP API until `stop` is set."""
    # Imported here because FastAPI takes 0.2 s and 25 MiB, which the other roles need not spend.
    from segments.http import serve  # noqa: PLC0415

    await serve(settings, stop)


API: tuple[Role, ...] = (api,)
INGEST: tuple[Role, ...] = (ingest, publish_rejected)
PROJECT: tuple[Role, ...] = (project, publish_memberships, publish_expiries, run_tasks)
SEAL: tuple[Role, ...] = (seal,)


async def run_roles(settings: Settings, roles: tuple[Role, ...]) -> None:
    """Run roles until SIGTERM or SIGINT, then let each finish its batch. A failure of one ends all of them."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await _check_database(settings)
    async with AsyncExitStack() as stack:
        stack.enter_context(tracing(settings, "-".join(role.__name__ for role in roles)))
        await stack.enter_async_context(serve_health(settings, _health(settings, roles)))
        log.info("started", roles=[role.__name__ for role in roles])
        if names := unknown_variables():
            log.warning("unknown settings", names=names)
        watching = asyncio.create_task(watch_kafka(settings, stop), name="watch_kafka")
        stack.callback(watching.cancel)
        async with asyncio.TaskGroup() as tasks:
            for role in roles:
                tasks.create_task(role(settings, stop), name=role.__name__)
    log.info("stopped")


async def _check_database(settings: Settings) -> None:
    """Check the database before joining a consumer group or opening a port; later code waits for Postgres.

    Raises: NotSetUpError, also if the database or the login does not exist, because waiting would not help.
    """
    if settings.database_url is not None:
        try:
            with suppress(DatabaseAwayError):
                await require_set_up(settings)
        except (
            asyncpg.InvalidCatalogNameError,
            asyncpg.InvalidAuthorizationSpecificationError,
        ) as error:
            raise NotSetUpError(f"Postgres: {error}.") from error
        except INFRASTRUCTURE:  # it is starting, out of connections, or has closed this one
            log.debug("database check skipped")


async def _sources(settings: Settings) -> list[str]:
    """List the additional command topics; none while Postgres is unavailable."""
    try:
        connection = await asyncpg.connect(database_url(settings), timeout=2)
        try:
            return await allowed_topics(connection, settings)
        finally:
            await connection.close()
    except INFRASTRUCTURE:
        return []


def _health(settings: Settings, roles: tuple[Role, ...]) -> Health:
    health = Health()

    async def postgres() -> str | None:
        try:
            await require_set_up(settings)
        except SegmentsError as error:
            return str(error)
        except INFRASTRUCTURE as error:
            return f"Postgres is unavailable: {error}"
        return None

    async def kafka() -> str | None:
        try:
            # The api uses only its own topic, and must not wait for Postgres.
            sources = [] if roles == API else await _sources(settings)
            faults = await topic_faults(settings, sources)
        except Exception as error:  # noqa: BLE001 - any error means that Kafka is unusable
            return f"Kafka is unavailable: {error}"
        return "; ".join(map(str, faults)) or None

    async def lanes() -> str | None:
        try:
            connection = await asyncpg.connect(database_url(settings), timeout=1)
            try:
                topics = await read_topics(connection, settings)
                stopped = await stopped_open_lanes(connection, topics)
            finally:
                await connection.close()
        except INFRASTRUCTURE:
            return None  # reported by the check of Postgres
        return stopped_lanes((lane, True) for lane in stopped)

    health.add("postgres", postgres, degrades=roles == API)
    health.add("kafka", kafka)
    health.add("lanes", lanes, degrades=True)
    return health
