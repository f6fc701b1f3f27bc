"""A lease: what one process at a time may do, for as long as it renews it (`projections.lease`).

Nothing rests on it but that processes do not take turns: whoever was stopped for longer goes on without it. So what
must not happen twice looks whether it is still held in the transaction that writes.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from service.postgres.database import statements
from service.runtime.backoff import INFRASTRUCTURE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any
    from uuid import UUID

    import asyncpg

    from service.postgres.database import Database

# So often in the time that it runs, a lease is renewed.
RENEWALS = 5
SQL = statements("projections.fold.sql")


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that this process took. lost: set once another process has it."""

    name: str
    holder: UUID
    incarnation: str
    lost: asyncio.Event

    async def is_held(self, connection: asyncpg.Connection[Any], *, lock: bool = False) -> bool:
        """Whether it is still held. lock: nobody takes it, or renews it, before the transaction ends."""
        statement = SQL["lease_is_held_locked" if lock else "lease_is_held"]
        row = await connection.fetchrow(statement, self.name, self.holder, self.incarnation)
        return row is not None


@asynccontextmanager
async def leasing(database: Database, name: str, seconds: float) -> AsyncIterator[Lease | None]:
    """Hold a lease while the block runs; gives None when another process has it.

    Whoever was stopped, or can't reach Postgres, loses it after so many seconds. One more connection is in use.
    """
    holder = uuid4()
    async with database.single() as connection:
        incarnation = await connection.fetchval(SQL["lease_take"], name, holder, seconds)
    if incarnation is None:
        yield None
        return
    lease = Lease(name, holder, incarnation, asyncio.Event())
    keeper = asyncio.create_task(_keep(database, lease, seconds))
    try:
        yield lease
    finally:
        keeper.cancel()
        await asyncio.wait([keeper])
        with suppress(*INFRASTRUCTURE):
            async with database.single() as connection:
                await connection.execute(SQL["lease_leave"], name, holder)


async def _keep(database: Database, lease: Lease, seconds: float) -> None:
    """Renew a lease until it is lost."""
    while not lease.lost.is_set():
        await asyncio.sleep(seconds / RENEWALS)
        with suppress(*INFRASTRUCTURE):
            async with database.single() as connection:
                if not await connection.fetchval(
                    SQL["lease_renew"], lease.name, lease.holder, seconds
                ):
                    lease.lost.set()
