"""The registry of segments: what exists, and every change of it as an event with actor and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from service.errors import NameTakenError, UnknownSegmentError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

MAX_SEGMENT_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment as the registry has it now."""

    segment_key: int
    network_id: str
    segment_id: int
    segment_name: str
    description: str | None
    is_visible: bool
    created_at: datetime
    created_by: str | None
    archived_at: datetime | None


@dataclass(frozen=True, slots=True)
class Registered:
    """What the append needs to know of a segment."""

    segment_key: int
    archived: bool


@dataclass(frozen=True, slots=True)
class Registry:
    """The registry at one version: (network_id, segment_id) → what the append needs to know."""

    version: int
    segments: dict[tuple[str, int], Registered]


_COLUMNS = """
    segment_key, network_id, segment_id, segment_name, description, is_visible, created_at, created_by, archived_at
"""


async def load(connection: asyncpg.Connection[Any]) -> Registry:
    """Read the whole registry and its version in one snapshot."""
    rows = await connection.fetch(
        "SELECT v.version, s.network_id, s.segment_id, s.segment_key, s.archived_at IS NOT NULL AS archived"
        " FROM segments.registry_version AS v LEFT JOIN segments.segment AS s ON true"
    )
    return Registry(
        rows[0]["version"],
        {
            (row["network_id"], row["segment_id"]): Registered(row["segment_key"], row["archived"])
            for row in rows
            if row["segment_key"] is not None
        },
    )


async def find(connection: asyncpg.Connection[Any], wanted: Iterable[tuple[str, int]]) -> Registry:
    """Read of the registry these segments alone, each (network_id, segment_id); version -1, not being all of it."""
    asked = list(wanted)
    rows = await connection.fetch(
        "SELECT s.network_id, s.segment_id, s.segment_key, s.archived_at IS NOT NULL AS archived"
        " FROM unnest($1::text[], $2::integer[]) AS w (network_id, segment_id)"
        " INNER JOIN segments.segment AS s ON w.network_id = s.network_id AND w.segment_id = s.segment_id",
        [network_id for network_id, _ in asked],
        [segment_id for _, segment_id in asked],
    )
    return Registry(
        -1,
        {(row[0], row[1]): Registered(row["segment_key"], row["archived"]) for row in rows},
    )


async def list_segments(
    connection: asyncpg.Connection[Any], network_id: str | None = None
) -> list[Segment]:
    """List the segments of one network, or of all, by network and id."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM segments.segment"  # noqa: S608 - a constant
        " WHERE $1::text IS NULL OR network_id = $1"
        " ORDER BY network_id, segment_id",
        network_id,
    )
    return [Segment(**dict(row)) for row in rows]


async def create(
    connection: asyncpg.Connection[Any],
    *,
    network_id: str,
    name: str,
    segment_id: int | None = None,
    description: str | None = None,
    is_visible: bool = True,
    actor: str | None = None,
) -> Segment:
    """Create a segment; without an id it gets the network's highest + 1.

    Raises: NameTakenError when the network has that name or id already.
    """
    async with connection.transaction():
        await _next_version(connection)
        if segment_id is None:
            segment_id = await connection.fetchval(
                "SELECT coalesce(max(segment_id), 0) + 1 FROM segments.segment WHERE network_id = $1",
                network_id,
            )
        try:
            key = await connection.fetchval(
                "INSERT INTO segments.segment (network_id, segment_id, segment_name, description,"
                " is_visible, created_at, created_by)"
                " VALUES ($1, $2, $3, $4, $5, clock_timestamp(), $6) RETURNING segment_key",
                network_id,
                segment_id,
                name,
                description,
                is_visible,
                actor,
            )
        except asyncpg.UniqueViolationError as error:
            raise NameTakenError(f"(network {network_id}, id {segment_id}, {name!r})") from error
        return await _record(connection, key, "created", actor)


async def edit(
    connection: asyncpg.Connection[Any],
    *,
    network_id: str,
    segment_id: int,
    name: str | None = None,
    description: str | None = None,
    is_visible: bool | None = None,
    actor: str | None = None,
) -> Segment:
    """Change name, description or visibility; what is None stays.

    Raises: UnknownSegmentError, NameTakenError.
    """
    async with connection.transaction():
        await _next_version(connection)
        try:
            key = await connection.fetchval(
                "UPDATE segments.segment SET segment_name = coalesce($3, segment_name),"
                " description = coalesce($4, description), is_visible = coalesce($5, is_visible)"
                " WHERE network_id = $1 AND segment_id = $2 RETURNING segment_key",
                network_id,
                segment_id,
                name,
                description,
                is_visible,
            )
        except asyncpg.UniqueViolationError as error:
            raise NameTakenError(f"(network {network_id}, {name!r})") from error
        if key is None:
            raise UnknownSegmentError(f"(network {network_id}, id {segment_id})")
        return await _record(connection, key, "edited", actor)


async def set_archived(
    connection: asyncpg.Connection[Any],
    *,
    network_id: str,
    segment_id: int,
    archived: bool,
    actor: str | None = None,
) -> Segment:
    """Archive a segment (it refuses commands from now on) or restore it; again is no change.

    Raises: UnknownSegmentError.
    """
    async with connection.transaction():
        await _next_version(connection)
        row = await connection.fetchrow(
            "SELECT segment_key, archived_at IS NOT NULL AS archived FROM segments.segment"
            " WHERE network_id = $1 AND segment_id = $2",
            network_id,
            segment_id,
        )
        if row is None:
            raise UnknownSegmentError(f"(network {network_id}, id {segment_id})")
        if row["archived"] == archived:
            return await _get(connection, row["segment_key"])
        await connection.execute(
            "UPDATE segments.segment SET archived_at = CASE WHEN $2 THEN clock_timestamp() END"
            " WHERE segment_key = $1",
            row["segment_key"],
            archived,
        )
        change = "archived" if archived else "restored"
        return await _record(connection, row["segment_key"], change, actor)


async def _next_version(connection: asyncpg.Connection[Any]) -> None:
    """Lock the registry against other changes and move its version; appends reload when they see it."""
    await connection.execute("UPDATE segments.registry_version SET version = version + 1")


async def _record(
    connection: asyncpg.Connection[Any], segment_key: int, change: str, actor: str | None
) -> Segment:
    await connection.execute(
        "INSERT INTO segments.registry_event (version, segment_key, change, segment_name, description,"
        " is_visible, archived, changed_at, actor)"
        " SELECT v.version, s.segment_key, $2, s.segment_name, s.description, s.is_visible,"
        " s.archived_at IS NOT NULL, clock_timestamp(), $3"
        " FROM segments.segment AS s, segments.registry_version AS v WHERE s.segment_key = $1",
        segment_key,
        change,
        actor,
    )
    return await _get(connection, segment_key)


async def _get(connection: asyncpg.Connection[Any], segment_key: int) -> Segment:
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM segments.segment WHERE segment_key = $1",  # noqa: S608 - a constant
        segment_key,
    )
    if row is None:
        raise UnknownSegmentError
    return Segment(**dict(row))
