"""The segments of one user: the state in each, and its cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from projections.queries.rows import plain, read_cut, read_until_full
from service.postgres.database import statements

if TYPE_CHECKING:
    import asyncpg

    from projections.queries.rows import Moment, Row

_SQL = statements("projections.queries.sql")
_USER_SEGMENTS = _SQL["user_segments"]
INTERVALS_LIMIT = 2000


async def read_user(
    connection: asyncpg.Connection[Any],
    network_id: str,
    user: str,
    segment_id: int | None,
    moment: Moment,
    after: int = 0,
) -> tuple[list[Row], int | None]:
    """Return the segments in which a user has events, by segment_id; only that one if segment_id is set.

    after: only those with a greater segment_id. connection: in a transaction. user: normalised; `erased:<n>` finds an
    erased one. Columns: those of view user_segment, `expires_at` of the override, `since`, `cause`, `reference_id`,
    `description`, `metadata`, `event_id`, `source`, `actor` of the event that began the membership (for a blocked user:
    that last stated the block), and `override_…` of the one that last stated the override.

    Returns: rows, and the segment_id to continue after if the page ended at PAGE_BYTES; None at the end.
    Raises: SnapshotError.
    """
    rows: list[Row] = []
    cut = await read_cut(connection, network_id, moment.snapshot)
    wanted = (network_id, user, segment_id, moment.as_of, moment.known_at, *cut, after)
    async for row, is_full in read_until_full(connection, _USER_SEGMENTS, *wanted):
        if is_full:
            return rows, rows[-1]["segment_id"]
        rows.append(plain(row))
    return rows, None


async def read_intervals(
    connection: asyncpg.Connection[Any], network_id: str, user: str
) -> list[Row]:
    """Return the intervals in which a user was a member or overridden, newest first, at most INTERVALS_LIMIT.

    user: normalised. Columns: segment_id, valid_from, valid_to (None: now), is_member, override.
    """
    found = await connection.fetch(_SQL["user_intervals"], network_id, user, INTERVALS_LIMIT)
    return [dict(row) for row in found]
