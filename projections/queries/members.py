"""The members of a segment, page by page: in the order of person_id, or by the time since when they are members.

The order of person_id never changes: a user who is a member while all pages are read is on exactly one of them,
regardless of others who join or leave meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from projections.queries.rows import plain, read_cut, read_until_full
from service.postgres.database import statements

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from projections.queries.rows import Moment, Row, Segment

COLUMNS = (
    "network_id", "segment_id", "segment_name", "user_id", "since", "cause", "override", "reference_id",
    "description", "metadata", "last_recorded_at", "event_id", "source", "actor",
)  # fmt: skip
# Keys of non-members cost time too, so a page ends after this many keys, full or not.
MOST_KEYS = 40_000
MOST_FOLDED_KEYS = 10_000
_SQL = statements("projections.queries.sql")


class SincePlace(NamedTuple):
    """The place of a member in the order of since; person_id decides between equal times. since: None is the start."""

    since: datetime | None
    person_id: int


class SortedPage(NamedTuple):
    """A page of members by since. last: the place to continue after; None on the last page."""

    members: list[Row]
    last: SincePlace | None


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
    members: list[Row] = []
    keys = 0
    last = last_member = after
    statement = "members"
    wanted: tuple[Any, ...] = (segment.segment_key, after, most, moment.as_of)
    if moment.as_of is not None and (moment.known_at, moment.snapshot) == (None, None):
        statement = "members_as_of"
    else:
        wanted += (
            moment.known_at,
            *await read_cut(connection, segment.network_id, moment.snapshot),
        )
    async for row, is_full in read_until_full(connection, _SQL[statement], *wanted):
        if is_full:
            return Page(members, last)
        if row["is_member"]:
            if limit is not None and len(members) >= limit:
                return Page(members, last_member)
            last_member = row["person_id"]
            members.append(_member(row, segment))
        keys += 1
        last = row["person_id"]
    return Page(members, last if keys == most else None)


async def read_page_by_since(
    connection: asyncpg.Connection[Any],
    segment: Segment,
    after: SincePlace,
    limit: int,
    *,
    latest_first: bool,
) -> SortedPage:
    """Read up to `limit` present members by since, rows with COLUMNS; in a transaction.

    A page with fewer members is not always the last: it also ends at PAGE_BYTES.
    """
    members: list[Row] = []
    last = None
    named = (segment.network_id, segment.segment_id)
    wanted = (segment.segment_key, limit + 1, latest_first, *after, *named)
    async for row, is_full in read_until_full(connection, _SQL["members_by_since"], *wanted):
        if is_full or len(members) == limit:
            return SortedPage(members, last)
        members.append(_member(row, segment))
        last = SincePlace(row["since"], row["person_id"])
    return SortedPage(members, None)


def _member(row: asyncpg.Record, segment: Segment) -> Row:
    """Give a row of the statements the columns of a member, in their order."""
    found = {**segment._asdict(), **plain(row)}
    return {name: found[name] for name in COLUMNS}
