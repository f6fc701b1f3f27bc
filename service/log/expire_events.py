"""Finds the event that an expiry names. The event decides its person, because the user may be erased by now."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.command.refusal import Reason
from schemas.command.rules import END_OF_TIME, EXPIRY_REFERENCE, OVERRIDES
from schemas.position import Position
from service.log import identity
from service.log.validate import is_expiry, rejected
from service.postgres.database import statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from service.log.batch import Batch
    from service.log.validate import ValidCommand
    from service.registry.segments import Registered, Which

SQL = statements("service.log.sql")
NAMES_NONE = "/reference_id names no override that lapses then"


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


class NamedStatement(NamedTuple):
    """The event that a replayed expiry names, by what is the same in every installation.

    time: Unix seconds. reference_id: None if the log derived it. discriminator: as in the log key.
    """

    time: int
    reference_id: str | None
    discriminator: str

    def __str__(self) -> str:
        """Format as in the header `segments-request-id`."""
        return json.dumps(self)

    @classmethod
    def parse(cls, text: str | None) -> NamedStatement | None:
        """Parse the format of `str()`; None if it is another."""
        with suppress(ValueError, TypeError):
            time, reference_id, discriminator = json.loads(text or "")
            is_time = type(time) is int and abs(time) <= END_OF_TIME
            is_text = isinstance(reference_id, str | None) and isinstance(discriminator, str)
            if is_time and is_text and b"\0" not in f"{reference_id}{discriminator}".encode():
                return cls(time, reference_id, discriminator)
        return None

    def is_stated_by(self, one: ValidCommand) -> bool:
        """Whether this is the event of a command."""
        _, _, time, reference_id, discriminator = one.place
        derived = reference_id.startswith(identity.AUTO)
        return (time, discriminator) == (self.time, self.discriminator) and (
            derived if self.reference_id is None else reference_id == self.reference_id
        )


async def name_replayed(connection: asyncpg.Connection[Any], batch: Batch) -> None:
    """Set the events that the replayed expiries of a batch name; reject those that name none.

    It runs in the append, because such an event may be in the batch before this one, or in this one.
    """
    for expiry in [c for c in batch.candidates if is_expiry(c) and c.expired is None]:
        if expiry.segment_key is None:
            continue
        statement = NamedStatement.parse(expiry.headers.request_id)
        named = statement and (
            await _find_stated(connection, expiry, statement)
            or await _stated_in(connection, batch, expiry, statement)
        )
        if not named:
            batch.candidates.remove(expiry)
            batch.rejected.append(rejected(expiry, Reason.INVALID_FIELD, NAMES_NONE))
            continue
        lane_id, offset, event_id = named
        person_id, segment_key, time, _, _ = expiry.place
        expiry.place = (person_id, segment_key, time, f"{EXPIRY_REFERENCE}{event_id}", "")
        salt = salt_of_expiry(
            expiry.salt,
            free_text=(expiry.command.metadata, expiry.command.description) != (None, None),
        )
        expiry.content = identity.content_digest(expiry.command.content, salt)
        expiry.expired = (lane_id, offset)
        expiry.row = expiry.covered = b""


async def _find_stated(
    connection: asyncpg.Connection[Any], expiry: ValidCommand, statement: NamedStatement
) -> tuple[int, int, str] | None:
    """Find the event in the log: lane_id, offset, event_id."""
    person_id, segment_key, expires_at, _, _ = expiry.place
    row = await connection.fetchrow(
        SQL["stated_event"], person_id, segment_key, expires_at, *statement
    )
    return None if row is None else tuple(row)


async def _stated_in(
    connection: asyncpg.Connection[Any],
    batch: Batch,
    expiry: ValidCommand,
    statement: NamedStatement,
) -> tuple[int, int, str] | None:
    """Find the event among the earlier commands of the batch: lane_id, offset, event_id."""
    # Of commands with one identity only the first is an event.
    first: dict[Any, ValidCommand] = {}
    for c in batch.candidates:
        first.setdefault(c.place, c)
    stated = [
        c
        for c in first.values()
        if c.record.offset < expiry.record.offset
        and c.place[:2] == expiry.place[:2]
        and c.command.user_status in OVERRIDES
        and c.command.expires_at == expiry.time
        and statement.is_stated_by(c)
    ]
    if not stated:
        return None
    offset = stated[-1].record.offset
    event_id = await connection.fetchval(
        "SELECT segments.event_id($1, $2, $3, $4)::text", *batch.lane, offset
    )
    return batch.lane_id, offset, event_id
