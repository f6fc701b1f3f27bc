"""Analysts by network: Postgres roles that see the rows of some networks, through schema `reporting_network`.

Changes need the login of `setup`, because they grant a role, which no role of the service may do.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from service.postgres.database import setup_url, statements
from service.runtime.errors import NotThereError, RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings

GROUP = "segments_report_network"
# In seconds: the time limit of an analyst's query, and the interval at which Postgres checks the client's connection.
STATEMENT_TIMEOUT = 300
CHECK_SECONDS = 5
# Concurrent sessions of a login. Each can keep a CPU busy, and Postgres has no other limit per login.
CONNECTION_LIMIT = 5
_NO_LIMIT = -1  # as Postgres has it
SQL = statements("service.registry.sql")
# Serialises changes; readers go on, and none of them could take it.
_LOCK = """
SET LOCAL ROLE segments_owner; LOCK TABLE segments.analyst_event IN SHARE ROW EXCLUSIVE MODE; RESET ROLE
"""


async def list_analysts(
    connection: asyncpg.Connection[Any], network_id: str | None = None, *, history: bool = False
) -> list[dict[str, Any]]:
    """List which roles see which networks, or all changes, oldest first.

    Returns: role_name, network_id, changed_at, actor, statement_timeout and connection_limit (null: none); for changes
    `change` instead of the last two.
    """
    rows = await connection.fetch(
        SQL["analyst_history"] if history else SQL["list_analysts"], network_id
    )
    return [dict(row) for row in rows]


@asynccontextmanager
async def _changing(settings: Settings) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Open a transaction as the login of `setup`, with a lock against concurrent changes."""
    async with _connected(settings) as connection, connection.transaction():
        await connection.execute(_LOCK)
        yield connection


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Connect as the login of `setup`."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(setup_url(settings))
    try:
        yield connection
    finally:
        await connection.close()


async def grant(
    settings: Settings,
    role: str,
    network_id: str,
    actor: str | None = None,
    statement_timeout: int | None = None,
    connection_limit: int | None = None,
) -> dict[str, Any]:
    """Let a role see a network's rows, in schema `reporting_network`; idempotent.

    statement_timeout: seconds after which Postgres cancels a login's query, 0 for never; None: STATEMENT_TIMEOUT,
    unless the login has a setting. connection_limit: the maximum number of concurrent sessions, 0 for no limit; None:
    CONNECTION_LIMIT if the login becomes an analyst and has no limit. Roles without a login have neither: Postgres
    takes both from the login alone.
    Returns: role_name, network_id, change, changed_at, actor.
    Raises: NotThereError if the role does not exist, RefusedError if it sees all networks.
    """
    async with _changing(settings) as connection:
        known = await _find(connection, role)
        if known["sees_all_as"]:
            raise RefusedError(
                f"{role} sees every network as a member of {', '.join(known['sees_all_as'])}; revoke that first."
            )
        standing = [row[0] for row in await connection.fetch(SQL["granted_networks"], role)]
        if not known["is_analyst"]:
            # An earlier role of this name was dropped; its grants do not apply to the new one.
            await _record(connection, role, standing, "revoked", actor)
            standing = []
            await connection.execute(f"GRANT {GROUP} TO {await _quoted(connection, role)}")
        if known["rolcanlogin"]:
            await _bound(connection, role, known, statement_timeout, connection_limit)
        if network_id not in standing:
            await _record(connection, role, [network_id], "granted", actor)
        return await _newest(connection, role, network_id)


async def find_disk_rights(settings: Settings, role: str) -> list[str]:
    """Find by which rights a role can fill the disk: temporary tables, large objects, messages in the write-ahead log.

    Returns: the statements that revoke them, for an owner of the database, or a superuser, to run. Postgres grants
    these rights to everybody, so that revoking them concerns every program in the database.
    """
    async with _connected(settings) as connection:
        return [row[0] for row in await connection.fetch(SQL["disk_rights"], role)]


async def _bound(
    connection: asyncpg.Connection[Any],
    role: str,
    known: asyncpg.Record,
    statement_timeout: int | None,
    connection_limit: int | None,
) -> None:
    """Set the defaults of a login's sessions, and their maximum number; None: as in `grant`."""
    login = f"ALTER ROLE {await _quoted(connection, role)}"
    here = f"{login} IN DATABASE {await _database(connection)} SET"
    own = known["own_settings"]
    if "search_path" not in own:
        await connection.execute(f"{here} search_path = reporting_network")
    # Ends the query of a disconnected client.
    await connection.execute(f"{here} client_connection_check_interval = '{CHECK_SECONDS:d}s'")
    if statement_timeout is not None or "statement_timeout" not in own:
        seconds = STATEMENT_TIMEOUT if statement_timeout is None else statement_timeout
        await connection.execute(f"{here} statement_timeout = '{seconds:d}s'")
    is_new = not known["is_analyst"] and known["rolconnlimit"] == _NO_LIMIT
    if connection_limit is not None or is_new:
        most = CONNECTION_LIMIT if connection_limit is None else connection_limit or _NO_LIMIT
        await connection.execute(f"{login} CONNECTION LIMIT {most:d}")


async def revoke(
    settings: Settings, role: str, network_id: str, actor: str | None = None
) -> dict[str, Any]:
    """Revoke a network from a role. Without any network it loses access to the schema.

    Returns: role_name, network_id, change, changed_at, actor.
    Raises: NotThereError if the role does not exist or was not granted the network.
    """
    async with _changing(settings) as connection:
        known = await _find(connection, role)
        standing = [row[0] for row in await connection.fetch(SQL["granted_networks"], role)]
        if network_id not in standing:
            raise NotThereError(f"{role} was not granted network {network_id}.")
        await _record(connection, role, [network_id], "revoked", actor)
        if standing == [network_id] and known["is_analyst"]:
            await connection.execute(f"REVOKE {GROUP} FROM {await _quoted(connection, role)}")
        return await _newest(connection, role, network_id)


async def _find(connection: asyncpg.Connection[Any], role: str) -> asyncpg.Record:
    row: asyncpg.Record | None = await connection.fetchrow(SQL["find_role"], role)
    if row is None:
        raise NotThereError(
            f"There is no role {role} in Postgres; create it first with CREATE ROLE."
        )
    return row


async def _record(
    connection: asyncpg.Connection[Any],
    role: str,
    networks: list[str],
    change: str,
    actor: str | None,
) -> None:
    """Record changes as the owner of the table; the login of `setup` is a member of that role."""
    if networks:
        await connection.execute("SET LOCAL ROLE segments_owner")
        await connection.execute(SQL["record_analyst"], role, networks, change, actor)
        await connection.execute("RESET ROLE")


async def _newest(
    connection: asyncpg.Connection[Any], role: str, network_id: str
) -> dict[str, Any]:
    rows = await connection.fetch(SQL["analyst_history"], network_id)
    return next(dict(row) for row in reversed(rows) if row["role_name"] == role)


async def _quoted(connection: asyncpg.Connection[Any], name: str) -> str:
    quoted: str = await connection.fetchval("SELECT quote_ident($1)", name)
    return quoted


async def _database(connection: asyncpg.Connection[Any]) -> str:
    quoted: str = await connection.fetchval("SELECT quote_ident(current_database())")
    return quoted
