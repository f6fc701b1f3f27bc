"""One segment: its size over time, its lists by page, what happens in it now, and the way to a user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from projections.http.cursors import Cursors
from projections.queries.activity import RECORDS_OF_A_LANE, read_recent, read_sources
from projections.queries.members import read_page
from projections.queries.rows import Segment, read_reach
from projections.queries.segments import (
    read_calendar,
    read_causes,
    read_disagreements,
    read_overrides,
    read_segment,
)
from segments.dashboard import export
from segments.dashboard.charts import bars, draw
from segments.dashboard.definition import PATH
from segments.dashboard.segment_view import ZONES, following, read_after, read_view

if TYPE_CHECKING:
    import asyncpg
    from starlette.responses import Response
    from starlette.routing import Route

    from projections.queries.rows import Row
    from segments.dashboard.segment_view import SegmentView
    from segments.dashboard.visit import Pages, Visit

PER_PAGE = 50
# The table beside the chart has the latest units; the chart has all of them.
TABLE_ROWS = 120


def routes(pages: Pages) -> list[Route]:
    """Return the routes of a segment, and of the export of its lists."""
    reading = pages.services.reading
    cursors = Cursors(reading.settings)

    async def show(visit: Visit) -> Response:
        view = read_view(visit)
        network_id, segment_id = visit.network_id, visit.segment_id
        after = read_after(cursors, visit, view.moment)
        async with reading.transaction(network_id, repeatable=True) as connection:
            reach = await read_reach(connection, network_id)
            segment = await read_segment(connection, network_id, segment_id)
            chart = await _read_chart(connection, segment, view)
            listed = await _read_list(connection, segment, view, after)
        return visit.page(
            "segment.html",
            reach=reach,
            segment=segment,
            view=view,
            zones=ZONES,
            unit_choices=[(unit, unit) for unit in view.units],
            is_first=after == 0,
            following=following(cursors, visit, view.moment, listed.pop("last")),
            records_of_a_lane=RECORDS_OF_A_LANE,
            to=lambda **changed: visit.link("segments", segment_id, **view.parameters(**changed)),
            export=visit.link("segments", segment_id, "export", **view.parameters()),
            **chart,
            **listed,
        )

    return [pages.show(PATH, show), pages.show(PATH + "/export", export.handler(reading))]


async def _read_chart(
    connection: asyncpg.Connection[Any], segment: Row, view: SegmentView
) -> dict[str, Any]:
    """Read what the chart needs: one query."""
    if view.chart == "causes":
        causes = await read_causes(
            connection, segment["segment_key"], view.unit, view.since, view.zone
        )
        return {"sizes": causes[-TABLE_ROWS:], "bars": bars(causes, view.unit)}
    sizes = await read_calendar(
        connection, segment["network_id"], segment["segment_id"], view.unit, view.since, view.zone
    )
    line = draw([size["members"] for size in sizes])
    first = sizes[0]["starts_on"] if sizes else None
    return {"sizes": sizes[-TABLE_ROWS:], "line": line, "first": first}


async def _read_list(
    connection: asyncpg.Connection[Any], segment: Row, view: SegmentView, after: int
) -> dict[str, Any]:
    """Read a page of the list: one query, or two of the activity."""
    key = segment["segment_key"]
    if view.which == "activity":
        rows = await read_recent(connection, key)
        return {"rows": rows, "sources": await read_sources(connection, key), "last": None}
    if view.which == "members":
        wanted = Segment(key, segment["network_id"], segment["segment_id"], segment["segment_name"])
        page = await read_page(connection, wanted, view.moment, after, PER_PAGE)
        return {"rows": page.members, "last": page.last}
    read = read_overrides if view.which == "overrides" else read_disagreements
    rows, last = await read(connection, key, after, PER_PAGE)
    return {"rows": rows, "last": last}
