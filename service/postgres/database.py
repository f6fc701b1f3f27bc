"""Postgres: connections that take on their least role, and statements kept one a file."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg

from service.runtime.errors import DatabaseAwayError, NotSetUpError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from importlib.resources.abc import Traversable

    from service.runtime.settings import Settings

# Below the consumer group's session timeout (10 s): whoever lost the group loses its locks soon after.
IDLE_IN_TRANSACTION_MS = 8_000
CONNECT_SECONDS = 10
# A statement is given so long, unless it says otherwise. Postgres ends it soon after whoever asked gave it up, and
# looks so often whether they are there at all: a connection that is cut does not end what it asked for.
COMMAND_SECONDS = 120
GRACE_SECONDS = 2
_LOOK_FOR_CLIENT_MS = 500
# What no retry of the same work can cure: the value itself is refused (HAZARDS: SQLSTATE decides).
REFUSED_VALUE_CLASSES = ("22", "54")
# How values look as text, and text as values, whatever the role or the database sets.
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
    """Read every `.sql` file beside `package`'s modules: name without the ending → its text."""
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
    """Give the service's own URL, or say that it is missing."""
    if settings.database_url is None:
        raise WrongUseError("SEGMENTS_DATABASE_URL is not set.")
    return settings.database_url.get_secret_value()


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
    """Give when Postgres ends a statement that is given so many seconds."""
    return round((seconds + GRACE_SECONDS) * 1000)


async def give_longer(connection: asyncpg.Connection[Any], seconds: float) -> None:
    """Give the statements of the open transaction longer; each says so to the driver as well, as its `timeout`."""
    await connection.execute(f"SET LOCAL statement_timeout = {_longest_ms(seconds)}")


async def connect(settings: Settings, role: str) -> asyncpg.Connection[Any]:
    """Open one connection acting as `role`. Raises: DatabaseAwayError."""
    return await open_connection(database_url(settings), **_session(settings, role))


async def open_connection(
    url: str, timeout: float = CONNECT_SECONDS, **session: Any
) -> asyncpg.Connection[Any]:
    """Open one connection; timeout in seconds.

    Raises: DatabaseAwayError, with the address and never the login.
    """
    try:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(url, timeout=timeout, **session)
    except OSError as error:
        address = urlsplit(url).netloc.rpartition("@")[2] or "its default address"
        # A timeout has no text of its own.
        said = str(error) or f"no answer within {timeout:g} s"
        raise DatabaseAwayError(f"({address}: {said})") from error
    return connection


def set_up_fault(error: BaseException) -> NotSetUpError | None:
    """Say so where an error of Postgres means that the database, or the login, was not set up."""
    if isinstance(error, asyncpg.UndefinedTableError | asyncpg.InvalidSchemaNameError):
        return NotSetUpError()
    if isinstance(error, asyncpg.InvalidParameterValueError) and "segments_" in str(error):
        return NotSetUpError()  # there is no such role
    denied = isinstance(error, asyncpg.InsufficientPrivilegeError) and _NOT_ITS_ROLE.search(
        str(error)
    )
    return NotSetUpError(f"Its login may not act as {denied[1]}.") if denied else None


class _PooledConnection(asyncpg.Connection):
    """A connection that leaves nothing behind in its session, so that giving it back takes no round trip."""

    def get_reset_query(self) -> str:
        """Reset nothing: all that we set is local to a transaction, and nothing listens or locks beyond one."""
        return ""


@asynccontextmanager
async def open_database(
    settings: Settings, role: str, size: int, seconds: float = COMMAND_SECONDS
) -> AsyncIterator[Database]:
    """Give at most `size` connections that act as `role`. None is made before it is needed.

    seconds: what a statement is given.
    """
    pool = asyncpg.create_pool(
        database_url(settings),
        min_size=0,
        max_size=size,
        connection_class=_PooledConnection,
        **_session(settings, role, seconds),
    )
    async with pool:
        yield Database(pool, settings, role, seconds)


class Database:
    """Connections to Postgres that act as `role`; made by `open_database`, with `settings`."""

    def __init__(
        self, pool: asyncpg.Pool[Any], settings: Settings, role: str, seconds: float
    ) -> None:
        self._pool = pool
        self.settings = settings
        self.role = role
        self._seconds = seconds

    @property
    def size(self) -> int:
        """How many connections there may be."""
        return self._pool.get_max_size()

    def terminate(self) -> None:
        """Drop all connections: Postgres may be silent."""
        self._pool.terminate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Run one transaction; behind a transaction pooler the session is set up within it."""
        async with self._pool.acquire() as connection, connection.transaction():
            await self._set_up(connection, self._seconds)
            yield connection  # type: ignore[misc]

    @asynccontextmanager
    async def hurried(self, seconds: float) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Run one transaction that is at its end after so many seconds, waits for a connection included.

        The connection is cut then: to cancel a statement, or to roll back, would wait for a Postgres that may be
        silent. One that is not ends the statement soon after.

        Raises: TimeoutError, or an error of a connection that is lost.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        async with self._pool.acquire(timeout=seconds) as connection:
            cut = loop.call_at(until, connection.terminate)
            try:
                async with connection.transaction():
                    await self._set_up(connection, seconds)
                    yield connection  # type: ignore[misc]
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                if loop.time() >= until:
                    raise TimeoutError(f"no answer within {seconds:g} s") from error
                raise
            finally:
                cut.cancel()

    @asynccontextmanager
    async def single(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Give a connection for one statement, which is a transaction of its own: one round trip.

        Behind a transaction pooler it takes a transaction all the same, for the session to be set up in.
        """
        if self._is_pooled:
            async with self.transaction() as connection:
                yield connection
        else:
            async with self._pool.acquire() as connection:
                yield connection  # type: ignore[misc]

    @property
    def _is_pooled(self) -> bool:
        return self.settings.database_pooler == "transaction"

    async def _set_up(self, connection: Any, seconds: float) -> None:
        """Set a transaction up whose session a pooler may have given to others."""
        if self._is_pooled:
            await connection.execute(
                f"SET LOCAL ROLE {self.role}; SET LOCAL search_path = pg_catalog, segments;"
                f"SET LOCAL timezone = 'UTC'; SET LOCAL jit = off; SET LOCAL application_name = '{self.role}';"
                f"SET LOCAL idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS};"
                f"SET LOCAL statement_timeout = {_longest_ms(seconds)};"
                f"SET LOCAL client_connection_check_interval = {_LOOK_FOR_CLIENT_MS}"
            )
