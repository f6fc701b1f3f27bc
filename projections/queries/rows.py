"""What all reading shares: rows as they are answered, how far the answer reaches, and which segment is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from service.postgres.database import statements
from service.runtime.errors import UnknownSegmentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    import asyncpg

_SQL = statements("projections.queries.sql")
SIZE_COLUMNS = ("network_id", "segment_id", "segment_name", "members", "added", "blocked")

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
    """Give a row to be encoded; metadata stands as it was sent, so that no number gains or loses a digit."""
    return {
        name: msgspec.Raw(value.encode())
        if name.endswith("metadata") and value is not None
        else value
        for name, value in record.items()
    }


PAGE_BYTES = 1024 * 1024
"""What a page holds of texts and metadata, in characters, before it ends early; a row comes whole."""
# Rows that are read before it is looked at how large they are.
_AT_ONCE = 64


async def read_until_full(
    connection: asyncpg.Connection[Any], query: str, *parameters: Any
) -> AsyncIterator[tuple[asyncpg.Record, bool]]:
    """Give rows of a query as they are needed, each with whether the page is full without it; in a transaction."""
    left = PAGE_BYTES
    async for row in connection.cursor(query, *parameters, prefetch=_AT_ONCE):
        yield row, left <= 0
        left -= sum(len(value) for value in row.values() if isinstance(value, str))


async def read_complete_until(connection: asyncpg.Connection[Any]) -> datetime | None:
    """Give watermark.complete_until. Read before the rows, it holds for them."""
    found: datetime | None = await connection.fetchval(_SQL["complete_until"])
    return found


async def find_segment(
    connection: asyncpg.Connection[Any], network_id: str, segment_id: int
) -> Segment:
    """Find a segment, archived ones too. Raises: UnknownSegmentError."""
    row = await connection.fetchrow(_SQL["segment"], network_id, segment_id)
    if row is None:
        raise UnknownSegmentError(f"(network {network_id}, id {segment_id})")
    return Segment(row["segment_key"], network_id, row["segment_id"], row["segment_name"])


async def read_sizes(connection: asyncpg.Connection[Any], network_id: str) -> list[Row]:
    """Give the rows of view segment_size of a network."""
    return [plain(row) for row in await connection.fetch(_SQL["sizes"], network_id)]
