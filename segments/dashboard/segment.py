"""One segment: its size over time, members and standing overrides by page, and the way to a user."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from projections.http.cursors import Cursors, MembersCursor
from projections.queries.members import read_page
from projections.queries.rows import Moment, Segment, read_reach
from projections.queries.segments import read_calendar, read_overrides, read_segment
from segments.dashboard.charts import draw
from segments.dashboard.definition import PATH
from service.http.kit.parameters import wrong

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import Route

    from segments.dashboard.visit import Pages, Visit

PER_PAGE = 50
NOW = Moment()
# Of parameter `range`: the unit, and the number of days before today; None for all.
RANGES: dict[str, tuple[str, int | None]] = {
    "quarter": ("day", 90),
    "year": ("week", 366),
    "all": ("month", None),
}
LISTS = ("members", "overrides")


def routes(pages: Pages) -> list[Route]:
    """Return the route of a segment."""
    reading = pages.services.reading
    cursors = Cursors(reading.settings)

    async def show(visit: Visit) -> Response:
        span, which = visit.query("range") or "quarter", visit.query("list") or "members"
        if span not in RANGES:
            raise wrong("range", f"must be one of {', '.join(RANGES)}")
        if which not in LISTS:
            raise wrong("list", f"must be one of {', '.join(LISTS)}")
        unit, days = RANGES[span]
        since = None if days is None else datetime.now(UTC).date() - timedelta(days=days - 1)
        network_id, segment_id = visit.network_id, visit.segment_id
        after = _after(cursors, visit)
        async with reading.transaction(network_id, repeatable=True) as connection:
            reach = await read_reach(connection, network_id)
            segment = await read_segment(connection, network_id, segment_id)
            sizes = await read_calendar(connection, network_id, segment_id, unit, since)
            key = segment["segment_key"]
            if which == "members":
                wanted = Segment(key, network_id, segment_id, segment["segment_name"])
                rows, last = await read_page(connection, wanted, NOW, after, PER_PAGE)
            else:
                rows, last = await read_overrides(connection, key, after, PER_PAGE)
        following = last and cursors.encode(
            MembersCursor(network_id, segment_id, None, None, None, last)
        )
        return visit.page(
            "segment.html",
            reach=reach,
            segment=segment,
            sizes=sizes,
            line=draw([size["members"] for size in sizes]),
            unit=unit,
            span=span,
            which=which,
            rows=rows,
            is_first=after == 0,
            following=following,
            to=lambda **query: visit.link("segments", segment_id, **query),
        )

    return [pages.show(PATH, show)]


def _after(cursors: Cursors, visit: Visit) -> int:
    """Return the person_id to continue after. Raises: Problem 400."""
    text = visit.query("cursor")
    if text is None:
        return 0
    cursor = cursors.read(text, MembersCursor)
    if (cursor.network_id, cursor.segment_id) != (visit.network_id, visit.segment_id):
        raise wrong("cursor", "belongs to another segment")
    return cursor.after
