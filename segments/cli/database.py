"""One connection to Postgres for a command."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import click

from service.postgres.database import connect
from service.registry.segments import has_segments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sized

    import asyncpg

    from service.runtime.settings import Settings

_Isolation = Literal["read_committed", "repeatable_read"]


@asynccontextmanager
async def connected(
    settings: Settings, role: str, isolation: _Isolation = "read_committed"
) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Open one connection acting as `role` while the block runs.

    Behind a transaction pooler the block is one transaction of that isolation: only within it is a session ours.
    """
    connection = await connect(settings, role)
    try:
        if settings.database_pooler == "transaction":
            async with connection.transaction(isolation=isolation):
                await connection.execute(
                    f"SET LOCAL ROLE {role}; SET LOCAL search_path = pg_catalog, segments;"
                    "SET LOCAL timezone = 'UTC'; SET LOCAL idle_in_transaction_session_timeout = 0"
                )
                yield connection
        else:
            yield connection
    finally:
        await connection.close()


async def note_unknown_network(
    connection: asyncpg.Connection[Any], network_id: str | None, rows: Sized
) -> None:
    """Say on stderr why a list is empty, where its network has no segment: it may be misspelt."""
    if rows or network_id is None:
        return
    if not await has_segments(connection, network_id):
        click.echo(f"there is no network {network_id}: it has no segment", err=True)
