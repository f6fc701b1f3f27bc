"""Sets up a database: roles, and numbered migrations with checksums in one transaction. Safe to run concurrently."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import asyncpg
import stamina

from service.postgres.database import (
    CONNECT_SECONDS,
    TEXT_FORMS,
    database_url,
    open_connection,
    setup_url,
    statements,
)
from service.postgres.migrations import migrations, setup_sql
from service.runtime.errors import (
    MigrationDriftError,
    NotSetUpError,
    RefusedError,
    UnsuitableDatabaseError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.postgres.migrations import Migration
    from service.runtime.settings import Settings

# The session's settings, whatever the role or the database sets. Setup requests a contended lock repeatedly with a
# short timeout, so that other sessions do not queue behind it.
LOCK_TIMEOUT = "5s"
SESSION = {
    "search_path": "pg_catalog",
    "statement_timeout": "10min",
    "lock_timeout": LOCK_TIMEOUT,
    "idle_in_transaction_session_timeout": "60s",
    "default_transaction_isolation": "read committed",
    "timezone": "UTC",
    **TEXT_FORMS,
}
LEAST_VERSION = 15
SERVICE_ROLES = (
    "segments_ingest",
    "segments_project",
    "segments_registry",
    "segments_operate",
    "segments_api",
    "segments_seal",
)
SQL = statements("service.postgres.sql")


async def set_up_database(settings: Settings) -> list[str]:
    """Create roles, apply pending migrations, and grant the roles to the service's login.

    Returns: what was done, one line each.
    Raises: MigrationDriftError if an applied migration has another text; UnsuitableDatabaseError before anything is
    written; RefusedError if a lock is not available; DatabaseAwayError.
    """
    connection = await open_connection(setup_url(settings), server_settings=SESSION)
    try:
        await _require_suitable(connection)
        try:
            await make_roles(connection)
            await _make_history(connection)
            applied = await _apply_in_time(connection)
        except asyncpg.LockNotAvailableError as error:
            raise RefusedError(
                "Another session holds a lock that setup needs; gave up after several attempts of"
                f" {LOCK_TIMEOUT}. Try again."
            ) from error
        login = unquote(urlsplit(database_url(settings)).username or "")
        granted = await _admit(connection, login)
    finally:
        await connection.close()
    done = [f"applied {name}" for name in applied]
    return [*done, f"granted roles to {login}: {', '.join(granted)}"] if granted else done


async def rename_installation(settings: Settings) -> str:
    """Give a copied database a new installation id, because the original runs on. Returns: its name."""
    connection = await open_connection(setup_url(settings))
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL ROLE segments_owner")
            await connection.execute(SQL["rename_installation"])
            name: str = await connection.fetchval("SELECT segments.installation_name()")
    finally:
        await connection.close()
    return name


# Two concurrent setups in one cluster create the same roles: one of them fails and retries.
@stamina.retry(
    on=(
        asyncpg.DuplicateObjectError,
        asyncpg.UniqueViolationError,
        asyncpg.InternalServerError,
        asyncpg.LockNotAvailableError,
    ),
    attempts=10,
    wait_initial=0.05,
    wait_max=0.5,
)
async def make_roles(connection: asyncpg.Connection[Any]) -> None:
    """Create the missing roles of the cluster, and let the login act as the owner."""
    await connection.execute(setup_sql("roles"))


@stamina.retry(on=asyncpg.InternalServerError, attempts=10, wait_initial=0.05, wait_max=0.5)
async def _admit(connection: asyncpg.Connection[Any], login: str) -> list[str]:
    """Let the service's login take on the service's roles. Returns: those that it could not before."""
    if not login or await connection.fetchval(SQL["is_superuser"], login):
        return []
    granted = []
    for role in SERVICE_ROLES:
        member = await connection.fetchval("SELECT pg_has_role($1, $2, 'MEMBER')", login, role)
        if not member:
            quoted = await connection.fetchval("SELECT quote_ident($1)", login)
            await connection.execute(f"GRANT {role} TO {quoted}")
            granted.append(role)
    return granted


# Of two concurrent setups one fails because the table exists by then, and retries.
@stamina.retry(
    on=(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError, asyncpg.DuplicateTableError,
        asyncpg.DuplicateSchemaError, asyncpg.InternalServerError),
    attempts=10,
    wait_initial=0.05,
    wait_max=0.5,
)  # fmt: skip
async def _make_history(connection: asyncpg.Connection[Any]) -> None:
    """Create the table of applied migrations, which `setup` also locks; in a transaction of its own."""
    if await connection.fetchval(SQL["relation"], "migrations", "applied") is None:
        async with connection.transaction():
            await connection.execute("SET LOCAL ROLE segments_owner")
            await connection.execute(setup_sql("history"))


@stamina.retry(on=asyncpg.LockNotAvailableError, attempts=6, wait_initial=0.2, wait_max=2)
async def _apply_in_time(connection: asyncpg.Connection[Any]) -> list[str]:
    async with connection.transaction():
        return await _apply(connection)


async def _apply(connection: asyncpg.Connection[Any]) -> list[str]:
    await connection.execute("SET LOCAL ROLE segments_owner")
    # One setup at a time. Only the owner can take this lock, and it does not block readers.
    await connection.execute("LOCK TABLE migrations.applied IN EXCLUSIVE MODE")
    done = await _applied(connection)
    pending = []
    for migration in migrations():
        if migration.number in done:
            _same(migration, done[migration.number])
        else:
            pending.append(migration)
    if pending:
        await connection.execute("RESET ROLE")
        await connection.execute(setup_sql("take_erasure_back"))
        await connection.execute("SET LOCAL ROLE segments_owner")
        for migration in pending:
            await _apply_one(connection, migration)
        await connection.execute("RESET ROLE")
        await connection.execute(setup_sql("give_erasure"))
    else:
        await connection.execute("RESET ROLE")
    return [migration.name for migration in pending]


async def _apply_one(connection: asyncpg.Connection[Any], migration: Migration) -> None:
    await connection.execute(migration.sql)
    await connection.execute(
        SQL["note_migration"],
        migration.number,
        migration.name,
        migration.checksum,
    )


async def _applied(connection: asyncpg.Connection[Any]) -> dict[int, str]:
    rows = await connection.fetch(SQL["applied_migrations"])
    return {row["number"]: row["checksum"] for row in rows}


def _same(migration: Migration, checksum: str) -> None:
    if migration.checksum != checksum:
        raise MigrationDriftError(f"({migration.name})")


async def check_database(settings: Settings) -> list[str]:
    """Check that the database is set up for this program.

    Returns: warnings.
    Raises: NotSetUpError, MigrationDriftError, DatabaseAwayError.
    """
    async with _looking(settings) as connection:
        await _require_set_up(connection)
        return await _warnings(connection)


async def require_set_up(settings: Settings, timeout: float = 2) -> None:
    """Check, within `timeout` seconds, that the database is set up for this program and login.

    Raises: as check_database.
    """
    async with _looking(settings, timeout) as connection:
        await _require_set_up(connection)


@asynccontextmanager
async def _looking(
    settings: Settings, timeout: float = CONNECT_SECONDS
) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Connect as the login itself, for one transaction: a transaction pooler guarantees no more of a session."""
    url = database_url(settings)
    connection = await open_connection(url, timeout, statement_cache_size=0)
    try:
        async with connection.transaction(readonly=True):
            yield connection
    finally:
        await connection.close()


async def _require_suitable(connection: asyncpg.Connection[Any]) -> None:
    """Check, in one query, that the database can hold the log.

    Raises: UnsuitableDatabaseError.
    """
    kind = await connection.fetchrow(SQL["database_kind"])
    assert kind is not None  # noqa: S101 - the query returns one row
    why = None
    if kind["major"] < LEAST_VERSION:
        why = f"It is Postgres {kind['version']}; {LEAST_VERSION} or newer is needed."
    elif kind["encoding"] != "UTF8":
        why = (
            f"Its encoding is {kind['encoding']}, which can't store every text; create one with"
            f" CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        )
    elif kind["replica"]:
        why = "It is a read-only replica; use the primary."
    elif kind["read_only"]:
        why = "default_transaction_read_only is on for this login or database; turn it off."
    if why is not None:
        raise UnsuitableDatabaseError(f"({kind['name']}) {why}")


async def _require_set_up(connection: asyncpg.Connection[Any]) -> None:
    await _require_suitable(connection)
    if await connection.fetchval(SQL["relation"], "migrations", "applied") is None:
        raise NotSetUpError
    if missing := await _missing(connection):
        raise NotSetUpError(f"Missing: {', '.join(missing)}.")
    # One role is enough: each process may have a login of its own.
    login = await connection.fetchval(SQL["stranger"], list(SERVICE_ROLES))
    if login is not None:
        raise NotSetUpError(f"Its login {login} was granted none of {', '.join(SERVICE_ROLES)}.")


async def _missing(connection: asyncpg.Connection[Any]) -> list[str]:
    history = await connection.fetchval(SQL["relation"], "migrations", "applied")
    if not await connection.fetchval(
        "SELECT has_schema_privilege('migrations', 'USAGE') AND has_table_privilege($1::oid, 'SELECT')",
        history,
    ):
        # This login may not read the history; the views stand in for it.
        view = await connection.fetchval(SQL["relation"], "reporting", "watermark")
        return [] if view else [migration.name for migration in migrations()]
    done = await _applied(connection)
    for migration in migrations():
        if migration.number in done:
            _same(migration, done[migration.number])
    return [migration.name for migration in migrations() if migration.number not in done]


async def _warnings(connection: asyncpg.Connection[Any]) -> list[str]:
    row = await connection.fetchrow(SQL["login_rights"])
    warnings = []
    if row is not None and (row["super"] or row["owner"]):
        warnings.append(
            f"DATABASE_URL logs in as {row['login']}, which can change the log's tables;"
            " use a login that owns nothing."
        )
    return warnings
