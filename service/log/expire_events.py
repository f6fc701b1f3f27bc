"""Finds the event that an expiry names. The event decides its person, because the user may be erased by now."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.command.rules import EXPIRY_REFERENCE
from schemas.position import Position
from service.log import identity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from service.log.validate import ValidCommand
    from service.registry.segments import Registered, Which

# By position if the expiry has one, which also finds the event of a person erased meanwhile; else by the user. Either
# way the event must have that id and segment, and be an override of that user (or an erased one) with that expiry.
_NAMED = """
SELECT w.number, e.lane_id, e.kafka_offset, e.person_id, p.salt, p.network_id || ':' || p.user_id
FROM unnest(
    $1::text[], $2::integer[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::integer[], $8::integer[],
    $9::bigint[]
) WITH ORDINALITY AS w (
    network_id, segment_key, user_id, expires_at, event_id, topic, partition, epoch, kafka_offset, number
)
CROSS JOIN LATERAL (
    SELECT n.lane_id, n.kafka_offset, n.person_id, n.segment_key, n.user_status, n.expires_at
    FROM segments.lane AS l INNER JOIN segments.event AS n ON l.lane_id = n.lane_id
    WHERE l.topic = w.topic AND l.partition = w.partition AND l.epoch = w.epoch AND n.kafka_offset = w.kafka_offset
    UNION ALL
    SELECT n.lane_id, n.kafka_offset, n.person_id, n.segment_key, n.user_status, n.expires_at
    FROM segments.person AS q INNER JOIN segments.event AS n ON q.person_id = n.person_id
    WHERE w.topic IS NULL AND q.user_id = w.user_id AND q.network_id = w.network_id AND n.segment_key = w.segment_key
) AS e
INNER JOIN segments.lane AS l ON l.lane_id = e.lane_id
INNER JOIN segments.person AS p ON p.person_id = e.person_id
WHERE e.segment_key = w.segment_key AND e.user_status <= 2 AND e.expires_at = to_timestamp(w.expires_at)
    AND segments.event_id(l.topic, l.partition, l.epoch, e.kafka_offset)::text = w.event_id
    AND p.network_id = w.network_id AND (p.user_id = w.user_id OR p.erased > 0)
"""


class Named(NamedTuple):
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
) -> dict[int, Named]:
    """Find the events that expiries name, by the candidate's `id()`; expiries that name none are absent."""
    if not expiries:
        return {}
    rows = await connection.fetch(
        _NAMED, *map(list, zip(*(_wanted(c, segments) for c in expiries), strict=True))
    )
    return {id(expiries[row[0] - 1]): Named(*row[1:]) for row in rows}


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


def settle_expiry(candidate: ValidCommand, named: Named) -> None:
    """Set the event that an expiry names, and its person."""
    command = candidate.command
    free_text = (command.metadata, command.description) != (None, None)
    salt = salt_of_expiry(named.salt, free_text=free_text)
    candidate.content = identity.content_digest(command.content, salt)
    candidate.place = (named.person_id, *candidate.place[1:])
    candidate.salt, candidate.identifier = named.salt, named.identifier.encode()
    candidate.expired = (named.lane_id, named.offset)
