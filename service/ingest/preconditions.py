"""What ingest reads before it joins the group: the list of topics, and the installation's name."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import asyncpg

from schemas.topics import Topics
from service.kafka.clients import topic_faults
from service.log.append import ROLE
from service.postgres.database import open_database, set_up_fault
from service.registry.command_topics import allowed_topics, read_topics
from service.registry.installation import installation_name
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.logs import get_logger
from service.runtime.supervise import Supervisor

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from service.runtime.settings import Settings

log = get_logger("ingest")


async def name_of_installation(settings: Settings) -> str:
    """Return this installation's name, a part of the group's name. Raises: NotSetUpError, faults of Postgres."""
    try:
        async with open_database(settings, ROLE, 1) as database, database.single() as one:
            return await installation_name(one)
    except asyncpg.PostgresError as error:
        if fault := set_up_fault(error):
            raise fault from error
        raise


async def look_at_topics(settings: Settings, stop: asyncio.Event) -> Sequence[str]:
    """Log faults of the topics, and return those to read. Waits while Kafka is unavailable.

    While Postgres is unavailable it returns only `<prefix>.commands`; the monitor finds the others later.
    """
    topics: list[str] = [Topics(settings.topic_prefix).commands]
    others: list[str] = []
    with suppress(*INFRASTRUCTURE):
        async with (
            open_database(settings, ROLE, 1) as database,
            database.transaction() as connection,
        ):
            topics = await read_topics(connection, settings)
            others = await allowed_topics(connection, settings)
    kafka = Supervisor(stop, log, "waiting for Kafka", level="warning")
    for fault in await kafka.until_done(partial(topic_faults, settings, others)) or ():
        log.warning("topic misconfigured", fault=str(fault))
    return topics
