"""What all queries share: encoding of rows, pages limited in bytes, the watermark, and segment look-up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from projections.queries.snapshots import refused_snapshots
from service.postgres.database import statements
from service.runtime.errors import UnknownSegmentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    import asyncpg

_SQL = statements("projections.queries.sql")
SIZE_COLUMNS = ("network_id", "segment_id", "segment_name", "members", "added", "blocked")

Row = dict[str, Any]


class Moment(NamedTuple):
    """The requested moment: events that happened until as_of and were recorded until known_at; None: now.

    snapshot: a token; only what was shown with it. Not together with known_at.
    """

    as_of: datetime | None = None
    known_at: datetime | None = None
    snapshot: str | None = None


class Reach(NamedTuple):
    """How far what is read reaches: complete_until of the watermark, and a token of what is shown."""

    complete_until: datetime | None
    snapshot: str


class Segment(NamedTuple):
    """A segment, with its surrogate key."""

    segment_key: int
    network_id: str
    segment_id: int
    segment_name: str


def plain(record: asyncpg.Record) -> Row:
    """Prepare a row for encoding; metadata keeps its text, so that numbers keep their digits."""
    return {
        name: msgspec.Raw(value.encode())
        if name.endswith("metadata") and value is not None
        else value
        for name, value in record.items()
    }


PAGE_BYTES = 1024 * 1024
"""Characters of texts and metadata after which a page ends early; rows are never split."""
# Rows fetched at once, before their size is checked.
_AT_ONCE = 64


async def read_until_full(
    connection: asyncpg.Connection[Any], query: str, *parameters: Any
) -> AsyncIterator[tuple[asyncpg.Record, bool]]:
    """Yield the rows of a query, each with whether the page is full before it; in a transaction."""
    left = PAGE_BYTES
    async for row in connection.cursor(query, *parameters, prefetch=_AT_ONCE):
        yield row, left <= 0
        left -= sum(len(value) for value in row.values() if isinstance(value, str))


async def read_reach(
    connection: asyncpg.Connection[Any], network_id: str, snapshot: str | None = None
) -> Reach:
    """Give how far a network's rows reach, in the transaction that reads them.

    That is repeatable read, so the token is of the rows. snapshot: the token that they are read with, if they are.
    """
    (row,) = await connection.fetch(_SQL["reach"], network_id)
    return Reach(row["complete_until"], snapshot or row["snapshot"])


async def read_cut(
    connection: asyncpg.Connection[Any], network_id: str, token: str | None
) -> Sequence[Any]:
    """Give lane_ids, positions and unmoved_before of a snapshot token, as statements take them; nulls for None.

    Raises: SnapshotError; nothing can be read any more in the transaction then.
    """
    if token is None:
        return (None, None, None)
    with refused_snapshots():
        row = await connection.fetchrow(_SQL["cut"], token, network_id)
    return tuple(row or ())


async def find_segment(
    connection: asyncpg.Connection[Any], network_id: str, segment_id: int
) -> Segment:
    """Find a segment, archived or not. Raises: UnknownSegmentError."""
    row = await connection.fetchrow(_SQL["segment"], network_id, segment_id)
    if row is None:
        raise UnknownSegmentError(f"(network {network_id}, id {segment_id})")
    return Segment(row["segment_key"], network_id, row["segment_id"], row["segment_name"])


async def read_sizes(connection: asyncpg.Connection[Any], network_id: str) -> list[Row]:
    """Return a network's rows of view segment_size."""
    return [plain(row) for row in await connection.fetch(_SQL["sizes"], network_id)]
