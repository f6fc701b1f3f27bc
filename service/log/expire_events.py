"""Finds the event that an expiry names. The event decides its person, because the user may be erased by now."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.command.rules import EXPIRY_REFERENCE
from schemas.position import Position
from service.log import identity
from service.postgres.database import statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from service.log.validate import ValidCommand
    from service.registry.segments import Registered, Which

SQL = statements("service.log.sql")


class NamedEvent(NamedTuple):
    """The event that an expiry names, and its person."""

    lane_id: int
    offset: int
    person_id: int
    salt: bytes
    identifier: str  # the current `network_id:user` of the person


async def find_named(
    connection: asyncpg.Connection[Any],
    expiries: Sequence[ValidCommand],
    segments: Mapping[Which, Registered],
) -> dict[int, NamedEvent]:
    """Find the events that expiries name, by the candidate's `id()`; expiries that name none are absent."""
    if not expiries:
        return {}
    rows = await connection.fetch(
        SQL["named_events"], *map(list, zip(*(_wanted(c, segments) for c in expiries), strict=True))
    )
    return {id(expiries[row[0] - 1]): NamedEvent(*row[1:]) for row in rows}


def _wanted(candidate: ValidCommand, segments: Mapping[Which, Registered]) -> tuple[Any, ...]:
    command = candidate.command
    registered = segments.get((command.network_id, command.segment_id))
    where: tuple[Any, ...] = (None,) * 4
    with suppress(ValueError):
        where = Position.parse(candidate.headers.request_id or "")
    return (
        command.network_id,
        candidate.segment_key if registered is None else registered.segment_key,
        command.user,
        candidate.time,
        (command.reference_id or "").removeprefix(EXPIRY_REFERENCE),
        *where,
    )


def salt_of_expiry(salt: bytes, *, free_text: bool) -> bytes:
    """Return the salt for an expiry's digest: its person's, or none if it has no free text.

    Without free text the digest reveals nothing personal, and stays the same after an erasure, which removes the salt.
    """
    return salt if free_text else b""


def settle_expiry(candidate: ValidCommand, named: NamedEvent) -> None:
    """Set the event that an expiry names, and its person."""
    command = candidate.command
    free_text = (command.metadata, command.description) != (None, None)
    salt = salt_of_expiry(named.salt, free_text=free_text)
    candidate.content = identity.content_digest(command.content, salt)
    candidate.place = (named.person_id, *candidate.place[1:])
    candidate.salt, candidate.identifier = named.salt, named.identifier.encode()
    candidate.expired = (named.lane_id, named.offset)
