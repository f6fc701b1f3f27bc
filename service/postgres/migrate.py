"""Setting up a database: roles, numbered migrations in one transaction, checksums; safe for two at once."""

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

# Whatever the role or the database sets, setup goes by these. A lock that somebody holds for long is asked for again,
# so that nobody else waits behind it meanwhile.
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
)
SQL = statements("service.postgres.sql")


async def set_up_database(settings: Settings) -> list[str]:
    """Make roles, apply what is not applied yet, and let the service's login take on its roles.

    Returns: what was done, a line each.
    Raises: MigrationDriftError when an applied one has another text; UnsuitableDatabaseError before anything is
    written; RefusedError when somebody holds a lock for long; DatabaseAwayError.
    """
    url = settings.setup_database_url or settings.database_url
    connection = await open_connection(
        url.get_secret_value() if url else database_url(settings), server_settings=SESSION
    )
    try:
        await _require_suitable(connection)
        try:
            await _make_roles(connection)
            await _make_history(connection)
            applied = await _apply_in_time(connection)
        except asyncpg.LockNotAvailableError as error:
            raise RefusedError(
                f"Somebody holds a lock that setup needs; asked for several times, {LOCK_TIMEOUT} each. Try again."
            ) from error
        login = unquote(urlsplit(database_url(settings)).username or "")
        granted = await _admit(connection, login)
    finally:
        await connection.close()
    done = [f"applied {name}" for name in applied]
    return [*done, f"granted roles to {login}: {', '.join(granted)}"] if granted else done


async def rename_installation(settings: Settings) -> str:
    """Give the database another installation id: it is a copy that runs on beside the other. Returns: its new name."""
    url = settings.setup_database_url or settings.database_url
    connection = await open_connection(url.get_secret_value() if url else database_url(settings))
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL ROLE segments_owner")
            await connection.execute(SQL["rename_installation"])
            name: str = await connection.fetchval("SELECT segments.installation_name()")
    finally:
        await connection.close()
    return name


# Two databases of one cluster set up at once meet on the same roles: one of them is told so, and asks again.
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
async def _make_roles(connection: asyncpg.Connection[Any]) -> None:
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


# Of two at once one is told that it is there by now.
@stamina.retry(
    on=(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError, asyncpg.DuplicateTableError,
        asyncpg.DuplicateSchemaError, asyncpg.InternalServerError),
    attempts=10,
    wait_initial=0.05,
    wait_max=0.5,
)  # fmt: skip
async def _make_history(connection: asyncpg.Connection[Any]) -> None:
    """Make the table of what was applied, which is also what `setup` locks: by itself, for two may be at it."""
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
    # One at a time. Nobody but the owner could take it: readers may look meanwhile.
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
    """Say what is wrong with the database's set-up.

    Returns: warnings, empty when all is well.
    Raises: NotSetUpError, MigrationDriftError, DatabaseAwayError.
    """
    async with _looking(settings) as connection:
        await _require_set_up(connection)
        return await _warnings(connection)


async def require_set_up(settings: Settings, timeout: float = 2) -> None:
    """Look quickly, in so many seconds, whether the database is set up for this program and login.

    Raises: as check_database.
    """
    async with _looking(settings, timeout) as connection:
        await _require_set_up(connection)


@asynccontextmanager
async def _looking(
    settings: Settings, timeout: float = CONNECT_SECONDS
) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Connect as the login itself, for one transaction: behind a transaction pooler no more of a session is ours."""
    url = database_url(settings)
    connection = await open_connection(url, timeout, statement_cache_size=0)
    try:
        async with connection.transaction(readonly=True):
            yield connection
    finally:
        await connection.close()


async def _require_suitable(connection: asyncpg.Connection[Any]) -> None:
    """Look whether this is a database that the log may live in, at one question.

    Raises: UnsuitableDatabaseError.
    """
    kind = await connection.fetchrow(SQL["database_kind"])
    assert kind is not None  # noqa: S101 - it gives one row
    why = None
    if kind["major"] < LEAST_VERSION:
        why = f"It is Postgres {kind['version']}; {LEAST_VERSION} or newer is needed."
    elif kind["encoding"] != "UTF8":
        why = (
            f"Its encoding is {kind['encoding']}, which loses text or refuses it; make one with"
            f" CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        )
    elif kind["replica"]:
        why = "It is a replica, which nothing can be written to; name the primary."
    elif kind["read_only"]:
        why = "default_transaction_read_only is on for this login or database; switch it off."
    if why is not None:
        raise UnsuitableDatabaseError(f"({kind['name']}) {why}")


async def _require_set_up(connection: asyncpg.Connection[Any]) -> None:
    await _require_suitable(connection)
    if await connection.fetchval(SQL["relation"], "migrations", "applied") is None:
        raise NotSetUpError
    if missing := await _missing(connection):
        raise NotSetUpError(f"Missing: {', '.join(missing)}.")
    # One of them is enough: a process may have a login of its own.
    login = await connection.fetchval(SQL["stranger"], list(SERVICE_ROLES))
    if login is not None:
        raise NotSetUpError(f"Its login {login} was granted none of {', '.join(SERVICE_ROLES)}.")


async def _missing(connection: asyncpg.Connection[Any]) -> list[str]:
    history = await connection.fetchval(SQL["relation"], "migrations", "applied")
    if not await connection.fetchval(
        "SELECT has_schema_privilege('migrations', 'USAGE') AND has_table_privilege($1::oid, 'SELECT')",
        history,
    ):
        # A login that may not read the history; it is enough that the views are there.
        found = await connection.fetchval(SQL["relation"], "reporting", "watermark")
        return [] if found else [migration.name for migration in migrations()]
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
            f"DATABASE_URL logs in as {row['login']}, who could change the log's tables;"
            " give the service a login that owns nothing."
        )
    return warnings
