"""The registry of segments, with every change as an event with actor and time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg

from schemas.command.rules import MAX_SEGMENT_ID
from service.postgres.database import statements
from service.runtime.errors import (
    NameTakenError,
    NoIdLeftError,
    TooManySegmentsError,
    UnknownSegmentError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

SQL = statements("service.registry.sql")


class Keep(Enum):
    """Marks a field that an edit does not change."""

    KEEP = "keep"


KEEP = Keep.KEEP


@dataclass(frozen=True, slots=True)
class Segment:
    """The current state of one segment."""

    segment_key: int
    network_id: str
    segment_id: int
    segment_name: str
    description: str | None
    is_visible: bool
    created_at: datetime
    created_by: str | None
    archived_at: datetime | None


class Registered(NamedTuple):
    """The part of a segment that the append needs. segment_key: None if the segment does not exist."""

    segment_key: int | None
    archived: bool


ABSENT = Registered(None, archived=False)
Which = tuple[str, int]  # network_id, segment_id


async def find(
    connection: asyncpg.Connection[Any], wanted: Iterable[Which]
) -> dict[Which, Registered]:
    """Look segments up; ABSENT for those that do not exist. The cost does not depend on other segments."""
    keys = list(wanted)
    # LATERAL and OFFSET 0 force one index look-up per segment, whatever the planner's statistics.
    rows = await connection.fetch(
        SQL["find_segments"],
        [network_id for network_id, _ in keys],
        [segment_id for _, segment_id in keys],
    )
    return dict.fromkeys(keys, ABSENT) | {
        (row[0], row[1]): Registered(row[2], row[3]) for row in rows
    }


async def list_segments(
    connection: asyncpg.Connection[Any], network_id: str | None = None
) -> list[Segment]:
    """List the segments of one network, or of all, by network and id."""
    rows = await connection.fetch(
        SQL["list_segments"],
        network_id,
    )
    return [Segment(**dict(row)) for row in rows]


async def has_segments(connection: asyncpg.Connection[Any], network_id: str) -> bool:
    """Whether a network exists, that is, has segments; archived ones count."""
    has: bool = await connection.fetchval(SQL["has_segments"], network_id)
    return has


async def list_networks(connection: asyncpg.Connection[Any], limit: int) -> list[str]:
    """List the networks that have segments, by name."""
    return [row["network_id"] for row in await connection.fetch(SQL["list_networks"], limit)]


async def create(
    connection: asyncpg.Connection[Any],
    *,
    network_id: str,
    name: str,
    segment_id: int | None = None,
    description: str | None = None,
    is_visible: bool = True,
    actor: str | None = None,
    most: int | None = None,
) -> Segment:
    """Create a segment; without an id it gets the network's highest + 1. An empty description counts as none.

    most: the maximum number of segments in the network, archived ones included; None: no limit.
    Raises: NameTakenError if the network already has that name or id, NoIdLeftError, TooManySegmentsError.
    """
    async with connection.transaction():
        has = await lock(connection, network_id)
        if most is not None and has >= most:
            raise TooManySegmentsError(f"({most}, network {network_id})")
        if segment_id is None:
            segment_id = await _next_id(connection, network_id, name)
        try:
            # A savepoint, because several changes may share a transaction.
            async with connection.transaction():
                key = await connection.fetchval(
                    SQL["create_segment"],
                    network_id,
                    segment_id,
                    name,
                    description or None,
                    is_visible,
                    actor,
                )
        except asyncpg.UniqueViolationError as error:
            raise await _taken(connection, network_id, name, segment_id) from error
        await connection.execute(SQL["count_segment"], network_id)
        return await _record(connection, key, "created", actor)


async def edit(
    connection: asyncpg.Connection[Any],
    *,
    network_id: str,
    segment_id: int,
    name: str | Keep = KEEP,
    description: str | Keep | None = KEEP,
    is_visible: bool | Keep = KEEP,
    actor: str | None = None,
    reason: str | None = None,
) -> Segment:
    """Change name, description (None or empty removes it) or visibility. Without a difference no event is recorded.

    reason: recorded with the change; empty counts as none.
    Raises: UnknownSegmentError, NameTakenError.
    """
    async with connection.transaction():
        await lock(connection, network_id)
        now = await get(connection, network_id, segment_id)
        wanted = replace(
            now,
            segment_name=now.segment_name if name is KEEP else name,
            description=now.description if description is KEEP else description or None,
            is_visible=now.is_visible if is_visible is KEEP else is_visible,
        )
        if wanted == now:
            return now
        await _update(connection, wanted)
        return await _record(connection, now.segment_key, "edited", actor, reason)


async def _next_id(connection: asyncpg.Connection[Any], network_id: str, name: str) -> int:
    highest: int = await connection.fetchval(
        SQL["highest_segment"],
        network_id,
    )
    if highest == MAX_SEGMENT_ID:
        raise NoIdLeftError(f"(network {network_id}, {name!r})")
    return highest + 1


async def set_archived(
    connection: asyncpg.Connection[Any],
    *,
    network_id: str,
    segment_id: int,
    archived: bool,
    actor: str | None = None,
    reason: str | None = None,
) -> Segment:
    """Archive a segment, which then refuses commands, or restore it; idempotent.

    reason: as for `edit`.
    Raises: UnknownSegmentError.
    """
    async with connection.transaction():
        await lock(connection, network_id)
        now = await get(connection, network_id, segment_id)
        if (now.archived_at is not None) == archived:
            return now
        await connection.execute(
            SQL["archive_segment"],
            now.segment_key,
            archived,
        )
        change = "archived" if archived else "restored"
        return await _record(connection, now.segment_key, change, actor, reason)


async def _update(connection: asyncpg.Connection[Any], wanted: Segment) -> None:
    try:
        async with connection.transaction():
            await connection.execute(
                SQL["edit_segment"],
                wanted.segment_key,
                wanted.segment_name,
                wanted.description,
                wanted.is_visible,
            )
    except asyncpg.UniqueViolationError as error:
        raise await _taken(connection, wanted.network_id, wanted.segment_name) from error


async def _taken(
    connection: asyncpg.Connection[Any], network_id: str, name: str, segment_id: int | None = None
) -> NameTakenError:
    """Return the error with the segment that already has the name, or else the id."""
    (row,) = await connection.fetch(
        SQL["segment_named"],
        network_id,
        name,
        segment_id,
    )
    return NameTakenError(
        f"(network {network_id}, id {row['segment_id']}, {row['segment_name']!r})"
    )


async def get(connection: asyncpg.Connection[Any], network_id: str, segment_id: int) -> Segment:
    """Return one segment. Raises: UnknownSegmentError."""
    row = await connection.fetchrow(
        SQL["find_segment"],
        network_id,
        segment_id,
    )
    if row is None:
        raise UnknownSegmentError(f"(network {network_id}, id {segment_id})")
    return Segment(**dict(row))


async def lock(connection: asyncpg.Connection[Any], network_id: str) -> int:
    """Lock a network's segments against changes until the end of the transaction; return their number."""
    has: int = await connection.fetchval(
        SQL["lock_network"],
        network_id,
    )
    return has


async def _record(
    connection: asyncpg.Connection[Any],
    segment_key: int,
    change: str,
    actor: str | None,
    reason: str | None = None,
) -> Segment:
    """Record a change, and return the segment."""
    await connection.execute(
        SQL["record_segment"],
        segment_key,
        change,
        actor,
        reason or None,
    )
    return await _get(connection, segment_key)


async def _get(connection: asyncpg.Connection[Any], segment_key: int) -> Segment:
    row = await connection.fetchrow(
        SQL["segment_by_key"],
        segment_key,
    )
    if row is None:
        raise UnknownSegmentError
    return Segment(**dict(row))
