"""Postgres: connections with least-privilege roles, and SQL statements in files of their own."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import asynccontextmanager
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg

from service.runtime.errors import DatabaseAwayError, NotSetUpError, WrongUseError
from service.runtime.telemetry import (
    CONNECTION_WAIT_SECONDS,
    CONNECTIONS_IN_USE,
    CONNECTIONS_LIMIT,
    measures,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from importlib.resources.abc import Traversable

    from service.runtime.settings import Settings

# Below the consumer group's session timeout (10 s), so that a process that left the group soon loses its locks.
IDLE_IN_TRANSACTION_MS = 8_000
CONNECT_SECONDS = 10
# The default time limit of a statement. Postgres cancels it shortly after the client has given up, and checks the
# client's connection at this interval, because a lost connection alone does not end a statement.
COMMAND_SECONDS = 120
GRACE_SECONDS = 2
_LOOK_FOR_CLIENT_MS = 500
# SQLSTATE classes that no retry can fix: Postgres refuses the value itself.
REFUSED_VALUE_CLASSES = ("22", "54")
# The text formats of values, whatever the role or the database sets.
TEXT_FORMS = {
    "standard_conforming_strings": "on",
    "bytea_output": "hex",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
}
_NOT_ITS_ROLE = re.compile(r'set role "(segments_\w+)"')


@cache
def statements(package: str) -> Mapping[str, str]:
    """Read every `.sql` file of `package`, as a mapping of the name without the suffix to the text."""
    return MappingProxyType(
        {
            entry.name.removesuffix(".sql"): entry.read_text(encoding="utf-8")
            for entry in _entries(package)
            if entry.name.endswith(".sql")
        }
    )


def _entries(package: str) -> list[Traversable]:
    return sorted(resources.files(package).iterdir(), key=lambda entry: entry.name)


def database_url(settings: Settings) -> str:
    """Return the service's URL. Raises: WrongUseError if it is not set."""
    if settings.database_url is None:
        raise WrongUseError("SEGMENTS_DATABASE_URL is not set.")
    return settings.database_url.get_secret_value()


def setup_url(settings: Settings) -> str:
    """Return the URL of the login that sets up. Raises: WrongUseError if neither URL is set."""
    url = settings.setup_database_url
    return url.get_secret_value() if url else database_url(settings)


def _session(settings: Settings, role: str, seconds: float = COMMAND_SECONDS) -> dict[str, Any]:
    options: dict[str, Any] = {"timeout": CONNECT_SECONDS, "command_timeout": seconds}
    if settings.database_pooler == "transaction":
        options["statement_cache_size"] = 0
        return options
    options["server_settings"] = {
        "role": role,
        "application_name": role,
        "search_path": "pg_catalog, segments",
        "timezone": "UTC",
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
        "statement_timeout": str(_longest_ms(seconds)),
        "client_connection_check_interval": str(_LOOK_FOR_CLIENT_MS),
        "jit": "off",
        "default_transaction_isolation": "read committed",
        **TEXT_FORMS,
    }
    return options


def _longest_ms(seconds: float) -> int:
    """Return the statement_timeout for a statement with a client timeout of `seconds`."""
    return round((seconds + GRACE_SECONDS) * 1000)


async def give_longer(connection: asyncpg.Connection[Any], seconds: float) -> None:
    """Raise the statement_timeout of the open transaction; each statement also needs the driver's `timeout`."""
    await connection.execute(f"SET LOCAL statement_timeout = {_longest_ms(seconds)}")


async def connect(settings: Settings, role: str) -> asyncpg.Connection[Any]:
    """Open one connection acting as `role`. Raises: DatabaseAwayError."""
    return await open_connection(database_url(settings), **_session(settings, role))


async def open_connection(
    url: str, timeout: float = CONNECT_SECONDS, **session: Any
) -> asyncpg.Connection[Any]:
    """Open one connection; timeout in seconds.

    Raises: DatabaseAwayError, with the address but not the login.
    """
    try:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(url, timeout=timeout, **session)
    except OSError as error:
        address = urlsplit(url).netloc.rpartition("@")[2] or "its default address"
        # The text of a timeout is empty.
        reason = str(error) or f"no answer within {timeout:g} s"
        raise DatabaseAwayError(f"({address}: {reason})") from error
    return connection


def set_up_fault(error: BaseException) -> NotSetUpError | None:
    """Return NotSetUpError if an error of Postgres means that the database or the login was not set up."""
    if isinstance(error, asyncpg.UndefinedTableError | asyncpg.InvalidSchemaNameError):
        return NotSetUpError()
    if isinstance(error, asyncpg.InvalidParameterValueError) and "segments_" in str(error):
        return NotSetUpError()  # there is no such role
    denied = isinstance(error, asyncpg.InsufficientPrivilegeError) and _NOT_ITS_ROLE.search(
        str(error)
    )
    return NotSetUpError(f"Its login may not act as {denied[1]}.") if denied else None


class _PooledConnection(asyncpg.Connection):
    """A connection without session state, so that its release takes no round trip."""

    def get_reset_query(self) -> str:
        """Reset nothing: settings are local to a transaction, and no LISTEN or lock outlives one."""
        return ""


@asynccontextmanager
async def open_database(
    settings: Settings, role: str, size: int, seconds: float = COMMAND_SECONDS
) -> AsyncIterator[Database]:
    """Open a pool of at most `size` connections with `role`. Connections are opened on demand.

    seconds: the time limit of a statement.
    """
    pool = asyncpg.create_pool(
        database_url(settings),
        min_size=0,
        max_size=size,
        connection_class=_PooledConnection,
        **_session(settings, role, seconds),
    )
    for metric in (CONNECTION_WAIT_SECONDS, CONNECTIONS_IN_USE, CONNECTIONS_LIMIT):
        measures(metric)
    CONNECTIONS_LIMIT.labels(role).inc(size)
    try:
        async with pool:
            yield Database(pool, settings, role, seconds)
    finally:
        CONNECTIONS_LIMIT.labels(role).dec(size)


class Database:
    """Pooled connections to Postgres with `role`; created by `open_database` with `settings`."""

    def __init__(
        self, pool: asyncpg.Pool[Any], settings: Settings, role: str, seconds: float
    ) -> None:
        self._pool = pool
        self.settings = settings
        self.role = role
        self._seconds = seconds
        self._wait_seconds = CONNECTION_WAIT_SECONDS.labels(role)
        self._in_use = CONNECTIONS_IN_USE.labels(role)

    @property
    def size(self) -> int:
        """The maximum number of connections."""
        return self._pool.get_max_size()

    def terminate(self) -> None:
        """Drop all connections without waiting for Postgres."""
        self._pool.terminate()

    @asynccontextmanager
    async def _acquire(self, seconds: float | None = None) -> AsyncIterator[Any]:
        """Take a connection of the pool. Raises: TimeoutError after `seconds`."""
        began = time.perf_counter()
        try:
            connection = await self._pool.acquire(timeout=seconds)
        finally:
            self._wait_seconds.observe(time.perf_counter() - began)
        with self._in_use.track_inprogress():
            try:
                yield connection
            finally:
                await self._pool.release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Run one transaction; behind a transaction pooler it begins with the session's settings."""
        async with self._acquire() as connection, connection.transaction():
            await self._set_up(connection, self._seconds)
            yield connection

    @asynccontextmanager
    async def hurried(
        self, seconds: float, *, repeatable: bool = False
    ) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Run one transaction with a hard deadline in seconds, the wait for a connection included.

        repeatable: read only, and all of its statements see the same rows.

        At the deadline the connection is cut, because a cancel or a rollback would wait for a Postgres that may not
        respond. A Postgres that does respond ends the statement shortly after.

        Raises: TimeoutError, or the error of a lost connection.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        async with self._acquire(seconds) as connection:
            cut = loop.call_at(until, connection.terminate)
            isolation: Any = "repeatable_read" if repeatable else None
            try:
                async with connection.transaction(isolation=isolation, readonly=repeatable):
                    await self._set_up(connection, seconds)
                    yield connection
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                if loop.time() >= until:
                    raise TimeoutError(f"no answer within {seconds:g} s") from error
                raise
            finally:
                cut.cancel()

    @asynccontextmanager
    async def single(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Acquire a connection for one statement, which is its own transaction: one round trip.

        Behind a transaction pooler it opens a transaction, because the session's settings are local to one.
        """
        if self._is_pooled:
            async with self.transaction() as connection:
                yield connection
        else:
            async with self._acquire() as connection:
                yield connection

    @property
    def _is_pooled(self) -> bool:
        return self.settings.database_pooler == "transaction"

    async def _set_up(self, connection: Any, seconds: float) -> None:
        """Apply the session's settings to a transaction, if a pooler shares the session."""
        if self._is_pooled:
            await connection.execute(
                f"SET LOCAL ROLE {self.role}; SET LOCAL search_path = pg_catalog, segments;"
                f"SET LOCAL timezone = 'UTC'; SET LOCAL jit = off; SET LOCAL application_name = '{self.role}';"
                f"SET LOCAL idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS};"
                f"SET LOCAL statement_timeout = {_longest_ms(seconds)};"
                f"SET LOCAL client_connection_check_interval = {_LOOK_FOR_CLIENT_MS}"
            )
