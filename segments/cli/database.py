"""One connection to Postgres for a command."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import asyncpg
import click

from schemas.command.rules import normalise_user
from segments.cli.command import present_actor
from service.postgres.database import connect
from service.registry.accesses import Access, record_access
from service.registry.segments import has_segments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sized

    from service.runtime.settings import Settings

_Isolation = Literal["read_committed", "repeatable_read"]


@asynccontextmanager
async def connected(
    settings: Settings, role: str, isolation: _Isolation = "read_committed"
) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Open one connection acting as `role` while the block runs.

    Behind a transaction pooler the block is one transaction of that isolation, because the session is shared.
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


async def note_access(
    connection: asyncpg.Connection[Any],
    route: str,
    network_id: str | None,
    segment_id: int | None = None,
    user: str | None = None,
    rows: int | None = None,
) -> None:
    """Record that a command read data. If that fails, warn: the answer is given nevertheless."""
    who = None if user is None else normalise_user(user)
    access = Access(network_id, segment_id, who, present_actor(), None, "command", route)
    try:
        async with connection.transaction():
            await record_access(connection, access, rows)
    except asyncpg.PostgresError as error:
        click.echo(f"warning: this read could not be recorded: {error}", err=True)


async def warn_unknown_networks(
    connection: asyncpg.Connection[Any], network_ids: Iterable[str]
) -> None:
    """Warn on stderr of networks without a segment, because their names may be misspelt."""
    for network_id in network_ids:
        if not await has_segments(connection, network_id):
            click.echo(f"warning: network {network_id} has no segments; is it misspelt?", err=True)


async def note_unknown_network(
    connection: asyncpg.Connection[Any], network_id: str | None, rows: Sized
) -> None:
    """Warn on stderr if a list is empty because its network has no segment."""
    if not rows and network_id is not None:
        await warn_unknown_networks(connection, [network_id])
