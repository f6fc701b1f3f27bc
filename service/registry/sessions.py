"""Sessions of the dashboard in the database, and links that begin one. Only digests of tokens are stored."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg

from service.postgres.database import statements
from service.registry.api_keys import key_of_row
from service.runtime.errors import UnknownKeyError

if TYPE_CHECKING:
    from service.registry.api_keys import ApiKey

SQL = statements("service.registry.sql")
LIFETIME = timedelta(hours=8)
# Sessions that a key may have at once.
MOST_SESSIONS = 100
_TOKEN_BYTES = 32  # 256 bits


async def create_session(connection: asyncpg.Connection[Any], key_id: str, *other_keys: str) -> str:
    """Begin a session of a key, for LIFETIME at most; return its token. Of MOST_SESSIONS others the oldest ends.

    other_keys: of other networks.
    """
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    await connection.execute(
        SQL["create_session"], _digest(token), key_id, LIFETIME, MOST_SESSIONS - 1, other_keys
    )
    for one in (key_id, *other_keys):
        await connection.execute(SQL["record_key_use"], one, "signed_in")
    return token


async def find_session(connection: asyncpg.Connection[Any], token: str) -> tuple[ApiKey, ...]:
    """Return the keys of a session by network, without revoked and expired ones; none if the session is over."""
    rows = await connection.fetch(SQL["find_session"], _digest(token))
    return tuple(key_of_row(row) for row in rows)


async def end_session(connection: asyncpg.Connection[Any], token: str) -> None:
    """End a session; idempotent."""
    await connection.execute(SQL["end_session"], _digest(token))


async def create_link(
    connection: asyncpg.Connection[Any],
    key_id: str,
    lifetime: timedelta,
    actor: str | None = None,
) -> str:
    """Make a link that signs a key in once, within `lifetime`; return its token. Raises: UnknownKeyError."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    try:
        await connection.execute(SQL["create_link"], _digest(token), key_id, lifetime, actor)
    except asyncpg.ForeignKeyViolationError as error:
        raise UnknownKeyError(f"({key_id})") from error
    return token


async def use_link(connection: asyncpg.Connection[Any], token: str) -> ApiKey | None:
    """Use a link up, and return its key; None if the link is unknown, used or expired, or its key is not valid."""
    row = await connection.fetchrow(SQL["use_link"], _digest(token))
    return key_of_row(row) if row else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
