"""First receipts that a header states: of a retry, if the log has its bytes; of a replayed event, if it is signed."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from schemas.position import Position
from service.log.identity import AUTO
from service.postgres.database import statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from schemas.headers import Headers
    from service.log.validate import ValidCommand

SQL = statements("service.log.sql")
_REPLAY: Final = re.compile(r"(.+)@([0-9]{1,12})(;erased)?")


class Replay(NamedTuple):
    """What the signed header `segments-origin` states of a replayed event.

    first: the position of its first receipt. time: of that receipt, Unix seconds. is_erased: its person was erased.
    """

    first: Position
    time: int
    is_erased: bool

    def __str__(self) -> str:
        """Format as in the header: `topic:partition:epoch:offset@seconds`, and `;erased`."""
        return f"{self.first}@{self.time}{';erased' if self.is_erased else ''}"


def read_replay(headers: Headers) -> Replay | None:
    """Return what the headers of a replayed event state; None for others, and without an accepted signature."""
    if headers.nonce is None or headers.origin is None:
        return None
    match = _REPLAY.fullmatch(headers.origin)
    if match is None:
        return None
    with suppress(ValueError):
        return Replay(Position.parse(match[1]), int(match[2]), match[3] is not None)
    return None


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
    connection: asyncpg.Connection[Any], candidates: Sequence[ValidCommand]
) -> None:
    """Set the time and discriminator of retried and replayed commands to those of their first receipt."""
    origins, honoured = [], []
    for candidate in candidates:
        replay = read_replay(candidate.headers)
        if replay is not None:
            _set_receipt(candidate, replay.first, replay.time)
            continue
        with suppress(ValueError):
            origin = Position.parse(candidate.headers.origin or "")
            origins.append((origin, candidate.record.value or b""))
            honoured.append(candidate)
    for number, first in (await find_first_receipts(connection, origins)).items():
        _set_receipt(honoured[number], origins[number][0], first)


def _set_receipt(candidate: ValidCommand, origin: Position, time: int) -> None:
    person_id, segment_key, _, reference_id, _ = candidate.place
    if candidate.command.reference_id is None:
        reference_id = f"{AUTO}{origin.topic}-{origin.partition}-{origin.offset}"
    candidate.time = time
    candidate.place = (person_id, segment_key, time, reference_id, str(origin))
