"""The members of a segment, page by page, in the order of person_id.

That order never changes: a user who is a member while all pages are read is on exactly one of them, regardless of
others who join or leave meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from projections.queries.rows import plain, read_cut, read_until_full
from service.postgres.database import statements

if TYPE_CHECKING:
    import asyncpg

    from projections.queries.rows import Moment, Row, Segment

COLUMNS = (
    "network_id", "segment_id", "segment_name", "user_id", "since", "cause", "override", "reference_id",
    "description", "metadata", "last_recorded_at",
)  # fmt: skip
# Keys of non-members cost time too, so a page ends after this many keys, full or not.
MOST_KEYS = 40_000
MOST_FOLDED_KEYS = 10_000
_MEMBERS = statements("projections.queries.sql")["members"]


class Page(NamedTuple):
    """A page of members. last: the person_id to continue after; None on the last page."""

    members: list[Row]
    last: int | None


async def read_page(
    connection: asyncpg.Connection[Any],
    segment: Segment,
    moment: Moment,
    after: int,
    limit: int | None = None,
    most_keys: int | None = None,
) -> Page:
    """Read up to `limit` members after person_id `after`, rows with COLUMNS; in a transaction.

    A page may have fewer members than `limit`, even none, without being the last: it also ends after a number of keys,
    members or not, and at PAGE_BYTES. Raises: SnapshotError.
    """
    most = most_keys or (MOST_FOLDED_KEYS if any(moment) else MOST_KEYS)
    named = segment._asdict()
    members: list[Row] = []
    keys = 0
    last = last_member = after
    cut = await read_cut(connection, segment.network_id, moment.snapshot)
    wanted = (segment.segment_key, after, most, moment.as_of, moment.known_at, *cut)
    async for row, is_full in read_until_full(connection, _MEMBERS, *wanted):
        if is_full:
            return Page(members, last)
        if row["is_member"]:
            if limit is not None and len(members) >= limit:
                return Page(members, last_member)
            last_member = row["person_id"]
            found = plain(row)
            members.append(
                {name: found[name] if name in found else named[name] for name in COLUMNS}
            )
        keys += 1
        last = row["person_id"]
    return Page(members, last if keys == most else None)
