"""API keys in the database: create, list, revoke, find. Only the digest of a secret is stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from service.postgres.database import statements
from service.runtime.errors import UnknownKeyError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import asyncpg

SQL = statements("service.registry.sql")
PREFIX = "segk"
"""The prefix of every key, which scanners for leaked secrets recognise."""
_ID_BYTES = 8
_SECRET_BYTES = 32  # 256 bits
_PARTS = 3


class Scope(StrEnum):
    """What a key may do in its network; with OPERATE, in the whole installation."""

    PUBLISH = "publish"
    REPORT = "report"
    ADMIN = "admin"
    AUDIT = "audit"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key without its secret. last_used_at is accurate to a few seconds."""

    key_id: str
    network_id: str
    key_name: str
    scopes: frozenset[Scope]
    created_at: datetime
    created_by: str | None
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    last_used_at: datetime | None


class KeyPlace(NamedTuple):
    """The place of a key in the list of all. number: not used."""

    created_at: datetime
    key_id: str
    number: int


NEWEST_KEY = KeyPlace(datetime.max.replace(tzinfo=UTC), "", 0)


class KnownKey(NamedTuple):
    """A key and the digest of its secret."""

    key: ApiKey
    secret_digest: bytes

    def matches(self, sent: SentKey) -> bool:
        """Whether the secrets are equal, compared in constant time."""
        return hmac.compare_digest(self.secret_digest, sent.secret_digest)


class SentKey(NamedTuple):
    """A key as a client sent it: its id and the digest of its secret. key_id: empty if the key has another format."""

    key_id: str
    secret_digest: bytes


def read_key(text: str) -> SentKey:
    """Read a key as sent."""
    parts = text.split("_", _PARTS - 1)
    if len(parts) != _PARTS or parts[0] != PREFIX or not parts[1] or not parts[2]:
        return SentKey("", b"")
    return SentKey(parts[1], _digest(parts[2]))


def _digest(secret: str) -> bytes:
    """Digest a secret with SHA-256, which is enough for 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()


async def create_key(
    connection: asyncpg.Connection[Any],
    *,
    network_id: str,
    scopes: Collection[Scope],
    name: str | None = None,
    expires_at: datetime | None = None,
    actor: str | None = None,
) -> tuple[ApiKey, str]:
    """Create a key for a network. name: its user, and the actor of the commands that it publishes; default: its id.

    Returns: the key and its text, which can't be retrieved again.
    """
    key_id = secrets.token_hex(_ID_BYTES)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    row = await connection.fetchrow(
        SQL["create_key"],
        key_id, network_id, name or key_id, sorted(scopes), _digest(secret), actor, expires_at,
    )  # fmt: skip
    return key_of_row(row), f"{PREFIX}_{key_id}_{secret}"


async def list_keys(
    connection: asyncpg.Connection[Any], network_id: str | None = None
) -> list[ApiKey]:
    """List the keys of one network, or of all, including revoked ones, oldest first."""
    rows = await connection.fetch(
        SQL["list_keys"],
        network_id,
    )
    return [key_of_row(row) for row in rows]


async def newest_keys(
    connection: asyncpg.Connection[Any], limit: int, *, valid: bool, before: KeyPlace = NEWEST_KEY
) -> list[ApiKey]:
    """List the keys of all networks, newest first. valid: without revoked and expired ones."""
    rows = await connection.fetch(SQL["newest_keys"], not valid, limit, *before[:2])
    return [key_of_row(row) for row in rows]


async def revoke_key(
    connection: asyncpg.Connection[Any], key_id: str, actor: str | None = None
) -> ApiKey:
    """Revoke a key; idempotent. Raises: UnknownKeyError."""
    await connection.execute(
        SQL["revoke_key"],
        key_id,
        actor,
    )
    row = await connection.fetchrow(
        SQL["find_key"],
        key_id,
    )
    if row is None:
        raise UnknownKeyError(f"({key_id})")
    return key_of_row(row)


async def find_keys(
    connection: asyncpg.Connection[Any], key_ids: Sequence[str]
) -> dict[str, KnownKey]:
    """Find keys by id, with their digests."""
    rows = await connection.fetch(
        SQL["find_keys"],
        list(key_ids),
    )
    return {row["key_id"]: KnownKey(key_of_row(row), row["secret_digest"]) for row in rows}


async def note_use(connection: asyncpg.Connection[Any], key_ids: Collection[str]) -> None:
    """Set last_used_at of keys to now."""
    await connection.execute(
        SQL["note_key_use"],
        sorted(key_ids),
    )


def key_of_row(row: Any) -> ApiKey:
    """Return the key of a row with its columns."""
    fields = {name: row[name] for name in ApiKey.__slots__}
    return ApiKey(**fields | {"scopes": frozenset(Scope(scope) for scope in row["scopes"])})
