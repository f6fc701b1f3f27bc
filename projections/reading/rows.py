"""What all reading shares: rows as they are answered, how far the answer reaches, and which segment is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from service.errors import UnknownSegmentError

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

_COMPLETE_UNTIL = "SELECT complete_until FROM reporting.watermark"
_SEGMENT = """
SELECT segment_key, segment_id, segment_name FROM segments.segment WHERE network_id = $1 AND segment_id = $2
"""
SIZE_COLUMNS = ("network_id", "segment_id", "segment_name", "members", "added", "blocked")
_SIZES = f"""
SELECT {", ".join(SIZE_COLUMNS)} FROM reporting.segment_size WHERE network_id = $1 ORDER BY segment_id
"""  # noqa: S608 - constants

Row = dict[str, Any]


class Moment(NamedTuple):
    """What is asked for: all that had happened until as_of and was recorded until known_at; None: now."""

    as_of: datetime | None = None
    known_at: datetime | None = None


class Segment(NamedTuple):
    """A segment of the registry, by its surrogate key too."""

    segment_key: int
    network_id: str
    segment_id: int
    segment_name: str


def plain(record: asyncpg.Record) -> Row:
    """Give a row to be encoded; columns of jsonb stand as Postgres wrote them, so that no number loses a digit."""
    return {
        name: msgspec.Raw(value.encode())
        if name.endswith("metadata") and value is not None
        else value
        for name, value in record.items()
    }


PAGE_BYTES = 1024 * 1024
"""What a page holds of texts and metadata before it ends early; a row comes whole."""


def within_bytes(rows: list[Row]) -> list[Row]:
    """Cut a page after the row with which it comes to PAGE_BYTES."""
    left = PAGE_BYTES
    for nth, row in enumerate(rows, 1):
        left -= sum(len(value) for value in row.values() if isinstance(value, str | msgspec.Raw))
        if left <= 0:
            return rows[:nth]
    return rows


async def read_complete_until(connection: asyncpg.Connection[Any]) -> datetime | None:
    """Give watermark.complete_until. Read before the rows, it holds for them."""
    found: datetime | None = await connection.fetchval(_COMPLETE_UNTIL)
    return found


async def find_segment(
    connection: asyncpg.Connection[Any], network_id: str, segment_id: int
) -> Segment:
    """Find a segment, archived ones too. Raises: UnknownSegmentError."""
    row = await connection.fetchrow(_SEGMENT, network_id, segment_id)
    if row is None:
        raise UnknownSegmentError(f"(network {network_id}, id {segment_id})")
    return Segment(row["segment_key"], network_id, row["segment_id"], row["segment_name"])


async def read_sizes(connection: asyncpg.Connection[Any], network_id: str) -> list[Row]:
    """Give the rows of view segment_size of a network."""
    return [plain(row) for row in await connection.fetch(_SIZES, network_id)]
