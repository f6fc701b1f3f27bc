"""One user's segments: what stands in each, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from projections.reading.rows import plain
from service.database import statements

if TYPE_CHECKING:
    import asyncpg

    from projections.reading.rows import Moment, Row

_USER_SEGMENTS = statements("projections.reading")["user_segments"]


async def read_user(
    connection: asyncpg.Connection[Any],
    network_id: str,
    user: str,
    segment_id: int | None,
    moment: Moment,
) -> list[Row]:
    """Give each segment that a user was ever seen in, by segment_id; in one of them where segment_id is given.

    user: normalised; `erased:<n>` finds an erased one. Columns: those of view user_segment, `expires_at` of the
    override, `since`, `cause`, `reference_id`, `description`, `metadata` of the event that began the membership (of a
    blocked user: that last stated the block), and `override_…` of the one that last stated the override.
    """
    rows = await connection.fetch(_USER_SEGMENTS, network_id, user, segment_id, *moment)
    return [plain(row) for row in rows]
