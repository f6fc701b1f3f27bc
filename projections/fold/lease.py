"""A lease: work that one process at a time does, as long as it renews the lease (`projections.lease`).

It does not exclude two processes at once: one that was stopped for longer continues without it. So a transaction that
must not run twice checks whether the lease is still held.
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

# Renewals of a lease in the time for which it is valid.
RENEWALS = 5
SQL = statements("projections.fold.sql")


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that this process took. lost: set when another process has taken it."""

    name: str
    holder: UUID
    incarnation: str
    lost: asyncio.Event

    async def is_held(self, connection: asyncpg.Connection[Any], *, lock: bool = False) -> bool:
        """Whether it is still held. lock: no process takes or renews it until the transaction ends."""
        if lock:
            await connection.execute(SQL["lease_lock"], self.name)
        held = await connection.fetch(
            SQL["lease_is_held"], self.name, self.holder, self.incarnation
        )
        return bool(held)


@asynccontextmanager
async def leasing(database: Database, name: str, seconds: float) -> AsyncIterator[Lease | None]:
    """Hold a lease while the block runs; yields None if another process holds it.

    seconds: after this time a process that is stopped, or can't reach Postgres, loses it. Uses one more connection.
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
