"""Explains why a user is in a segment, or not: each event of the key, its effect, and the state now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from projections.fold import long_keys
from projections.queries.rows import find_segment, read_until_full
from service.postgres.database import statements

if TYPE_CHECKING:
    import asyncpg

    from projections.queries.rows import Segment

_EVENTS = statements("projections.queries.sql")["explained"]
_SQL = statements("projections.queries.sql")
EVENTS_LIMIT, EVENTS_LIMIT_MOST = 500, 5_000


class EventPlace(NamedTuple):
    """The position of an event in the log."""

    lane_id: int
    offset: int


async def explain(
    connection: asyncpg.Connection[Any],
    network_id: str,
    segment_id: int,
    user: str,
    limit: int = EVENTS_LIMIT,
    before: EventPlace | None = None,
) -> dict[str, Any]:
    """Explain one key by its newest events, at most `limit`; before: by the events before that one.

    connection: in a transaction. A page ends early at PAGE_BYTES. user: as sent; it is normalised here, and
    `erased:<n>` finds an erased one.
    Returns: {"now": a row of reporting.user_segment with the override's expires_at, or None, "events": one per event in
    the fold's order, with outcome `queued` if not projected yet, "earlier": the EventPlace to continue before, or
    None}. Raises: UnknownSegmentError.
    """
    segment = await find_segment(connection, network_id, segment_id)
    return await explain_in(connection, segment, user, limit, before)


async def explain_in(
    connection: asyncpg.Connection[Any],
    segment: Segment,
    user: str,
    limit: int = EVENTS_LIMIT,
    before: EventPlace | None = None,
) -> dict[str, Any]:
    """Explain one key of a segment that was found. Arguments and result as for `explain`."""
    network_id, segment_id = segment.network_id, segment.segment_id
    key = await connection.fetchrow(_SQL["key"], network_id, segment_id, user)
    if key is None:
        return {"now": None, "events": [], "earlier": None}
    now = await connection.fetchrow(_SQL["standing"], network_id, segment_id, key["user_id"])
    newest_first: list[dict[str, Any]] = []
    earlier = place = None
    place_before = before or (None, None)
    wanted = (key["segment_key"], key["person_id"], limit + 1, *place_before, long_keys.EVERY)
    async for row, is_full in read_until_full(connection, _EVENTS, *wanted):
        if is_full or len(newest_first) == limit:
            earlier = place
            break
        event = dict(row)
        place = EventPlace(event.pop("lane_id"), event["kafka_offset"])
        newest_first.append(event)
    return {"now": dict(now) if now else None, "events": newest_first[::-1], "earlier": earlier}


async def explain_whole(
    connection: asyncpg.Connection[Any], network_id: str, segment_id: int, user: str, limit: int
) -> dict[str, Any]:
    """Explain one key by any number of events, read page by page.

    Returns: as `explain`, "earlier" being whether there are more events before these. Raises: UnknownSegmentError.
    """
    found = await explain(connection, network_id, segment_id, user, min(limit, EVENTS_LIMIT_MOST))
    pages = [found["events"]]
    left = limit - len(pages[0])
    earlier = found["earlier"]
    while earlier is not None and left > 0:
        most = min(left, EVENTS_LIMIT_MOST)
        page = await explain(connection, network_id, segment_id, user, most, earlier)
        pages.append(page["events"])
        earlier = page["earlier"]
        left -= len(page["events"])
    events = [event for page in reversed(pages) for event in page]
    return {"now": found["now"], "events": events, "earlier": earlier is not None}
