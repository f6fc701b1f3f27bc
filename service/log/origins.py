"""Retries of commands without a time get the time and position of their first receipt, if its bytes are equal."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from schemas.position import Position
from service.log.identity import AUTO
from service.postgres.database import statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from service.log.validate import ValidCommand

SQL = statements("service.log.sql")


async def find_first_receipts(
    connection: asyncpg.Connection[Any], origins: Sequence[tuple[Position, bytes]]
) -> dict[int, int]:
    """Return the receipt times in Unix seconds, by index; records with other bytes are absent."""
    if not origins:
        return {}
    columns = zip(
        *((*position, hashlib.sha256(payload).digest()) for position, payload in origins),
        strict=True,
    )
    rows = await connection.fetch(SQL["first_receipts"], *map(list, columns))
    return {row[0] - 1: int(row[1]) for row in rows}


async def honour_origins(
    connection: asyncpg.Connection[Any], retries: Sequence[ValidCommand]
) -> None:
    """Set the time and discriminator of retries to those of their first receipt."""
    origins, honoured = [], []
    for candidate in retries:
        with suppress(ValueError):
            origin = Position.parse(candidate.headers.origin or "")
            origins.append((origin, candidate.record.value or b""))
            honoured.append(candidate)
    for number, first in (await find_first_receipts(connection, origins)).items():
        candidate, origin = honoured[number], origins[number][0]
        person_id, segment_key, _, reference_id, _ = candidate.place
        if candidate.command.reference_id is None:
            reference_id = f"{AUTO}{origin.topic}-{origin.partition}-{origin.offset}"
        candidate.time = first
        candidate.place = (person_id, segment_key, first, reference_id, str(origin))
