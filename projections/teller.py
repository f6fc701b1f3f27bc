"""Who tells `<prefix>.memberships`: one process at a time, by a lease; and what it tells with.

The lease only keeps processes from taking turns. That nothing older comes after something newer rests on Kafka alone:
whoever takes the lease starts the topic's one transactional producer and reads what it tells after that, when nothing
of those before can be added any more (docs/decisions/0018).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from projections.worker import ROLE
from schemas.topics import Topics
from service.database import single
from service.fenced import fenced
from service.waiting import INFRASTRUCTURE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from typing import Any
    from uuid import UUID

    import asyncpg

    from service.fenced import FencedProducer, Record
    from service.settings import Settings

LEASE_SECONDS, RENEW_SECONDS = 5, 1
TOGETHER = 4000
_TAKE = """
UPDATE projections.telling SET holder = $1, until = now() + make_interval(secs => $2)
WHERE until < now() RETURNING true
"""
_RENEW = "UPDATE projections.telling SET until = now() + make_interval(secs => $2) WHERE holder = $1 RETURNING true"
_LEAVE = "UPDATE projections.telling SET until = '-infinity' WHERE holder = $1"


class Teller:
    """Tells the topic as long as nobody has taken over.

    pool, settings: for whoever reads what to tell. lost: set once another process holds the lease.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[Any],
        settings: Settings,
        producer: FencedProducer,
        lost: asyncio.Event,
    ) -> None:
        self.pool = pool
        self.settings = settings
        self.lost = lost
        self._producer = producer
        self._topic = Topics(settings.topic_prefix).memberships

    async def publish(self, records: Sequence[Record]) -> None:
        """Publish in their order, so many in one transaction. After an error this teller must not go on."""
        for start in range(0, len(records), TOGETHER):
            await self._producer.publish(self._topic, records[start : start + TOGETHER])


@asynccontextmanager
async def telling(pool: asyncpg.Pool[Any], settings: Settings) -> AsyncIterator[Teller | None]:
    """Hold the lease while the block runs; gives None when another process holds it.

    Whoever was stopped, or can't reach Postgres, loses it after 5 s. pool: of two connections.
    """
    me = uuid4()
    if not await _ask(pool, settings, _TAKE, me):
        yield None
        return
    lost = asyncio.Event()
    keeper = asyncio.create_task(_keep(pool, settings, me, lost))
    try:
        async with fenced(settings, Topics(settings.topic_prefix).teller) as producer:
            yield Teller(pool, settings, producer, lost)
    finally:
        keeper.cancel()
        await asyncio.wait([keeper])
        with suppress(*INFRASTRUCTURE):
            async with single(pool, settings, ROLE) as connection:
                await connection.execute(_LEAVE, me)


async def _keep(pool: asyncpg.Pool[Any], settings: Settings, me: UUID, lost: asyncio.Event) -> None:
    """Renew the lease until it is lost."""
    while not lost.is_set():
        await asyncio.sleep(RENEW_SECONDS)
        with suppress(*INFRASTRUCTURE):
            if not await _ask(pool, settings, _RENEW, me):
                lost.set()


async def _ask(pool: asyncpg.Pool[Any], settings: Settings, statement: str, me: UUID) -> bool:
    async with single(pool, settings, ROLE) as connection:
        return await connection.fetchval(statement, me, LEASE_SECONDS) is not None
