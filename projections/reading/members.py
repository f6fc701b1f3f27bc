"""The members of a segment, page by page, in the order in which their people were first met.

That order never changes and knows no gaps to fill: whoever is a member all the while that pages are read is on exactly
one of them, whatever joins and leaves meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from projections.reading.rows import plain
from service.database import statements

if TYPE_CHECKING:
    import asyncpg

    from projections.reading.rows import Moment, Row, Segment

COLUMNS = (
    "network_id", "segment_id", "segment_name", "user_id", "since", "cause", "override", "reference_id",
    "description", "metadata", "last_recorded_at",
)  # fmt: skip
# Keys that are no members cost too: a page ends after so many keys, be it full or not.
MOST_KEYS = 40_000
MOST_FOLDED_KEYS = 10_000
_MEMBERS = statements("projections.reading")["members"]


class Chunk(NamedTuple):
    """Some keys of a segment. last: the last of them, to go on after; 0 without any."""

    members: list[tuple[int, Row]]
    keys: int
    last: int


async def read_chunk(
    connection: asyncpg.Connection[Any], segment: Segment, moment: Moment, after: int, count: int
) -> Chunk:
    """Read the next `count` keys after person_id `after`; give (person_id, row) of those that are members."""
    rows = await connection.fetch(_MEMBERS, segment.segment_key, after, count, *moment)
    named = segment._asdict()
    members = [
        (
            row["person_id"],
            {name: found[name] if name in found else named[name] for name in COLUMNS},
        )
        for row in rows
        if row["is_member"]
        for found in (plain(row),)
    ]
    return Chunk(members, len(rows), rows[-1]["person_id"] if rows else 0)


async def read_page(
    connection: asyncpg.Connection[Any], segment: Segment, moment: Moment, after: int, limit: int
) -> tuple[list[Row], int | None]:
    """Read up to `limit` members after person_id `after`.

    Returns: rows with COLUMNS, and the person_id to go on after; None when there are no more. A page may hold fewer
    members than `limit`, even none, and not be the last: that depends on how many of the keys are members.
    """
    most = MOST_FOLDED_KEYS if any(moment) else MOST_KEYS
    members: list[tuple[int, Row]] = []
    count = limit + 1
    looked_at = 0
    while True:
        chunk = await read_chunk(connection, segment, moment, after, count)
        members += chunk.members
        looked_at += chunk.keys
        if len(members) > limit:
            return [row for _, row in members[:limit]], members[limit - 1][0]
        if chunk.keys < count:
            return [row for _, row in members], None
        after = chunk.last
        if looked_at >= most:
            return [row for _, row in members], after
        count = min(2 * count, most - looked_at)
