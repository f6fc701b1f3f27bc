"""One segment: its size over time, its lists by page, what happens in it now, and the way to a user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from projections.http.cursors import Cursors
from projections.queries.activity import (
    READS_OF_A_NETWORK,
    RECORDS_OF_A_LANE,
    read_readers,
    read_recent,
    read_sources,
)
from projections.queries.members import read_page
from projections.queries.rows import Segment, read_reach
from projections.queries.segments import read_disagreements, read_overrides, read_segment
from segments.dashboard import export
from segments.dashboard.definition import PATH
from segments.dashboard.segment_chart import SegmentCharts
from segments.dashboard.segment_view import ZONES, following, read_after, read_view
from service.http.kit.problems import Problem
from service.registry.api_keys import Scope

if TYPE_CHECKING:
    import asyncpg
    from starlette.responses import Response
    from starlette.routing import Route

    from projections.queries.rows import Row
    from segments.dashboard.segment_view import SegmentView
    from segments.dashboard.visit import Pages, Visit

PER_PAGE = 50


def routes(pages: Pages) -> list[Route]:
    """Return the routes of a segment, and of the export of its lists."""
    reading = pages.services.reading
    cursors = Cursors(reading.settings)
    charts = SegmentCharts(pages)

    async def show(visit: Visit) -> Response:
        view = read_view(visit)
        may_audit = Scope.ADMIN in visit.key.scopes
        if view.which == "readers" and not may_audit:
            raise Problem(403, "forbidden", "who reads takes a key with scope admin")
        network_id, segment_id = visit.network_id, visit.segment_id
        after = read_after(cursors, visit, view.moment)
        async with reading.transaction(network_id, repeatable=True) as connection:
            reach = await read_reach(connection, network_id, view.snapshot)
            segment = await read_segment(connection, network_id, segment_id)
            chart = await charts.read(connection, segment, view)
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
            reads_of_a_network=READS_OF_A_NETWORK,
            may_audit=may_audit,
            chart=chart,
            zooms=view.zooms(chart.get("first")),
            chart_url=visit.link("segments", segment_id, "chart", **view.parameters()),
            to=lambda **changed: visit.link("segments", segment_id, **view.parameters(**changed)),
            export=visit.link("segments", segment_id, "export", **view.parameters()),
            **listed,
        )

    return [
        pages.show(PATH, show),
        *charts.routes(pages),
        pages.show(PATH + "/export", export.handler(reading)),
    ]


async def _read_list(
    connection: asyncpg.Connection[Any], segment: Row, view: SegmentView, after: int
) -> dict[str, Any]:
    """Read a page of the list: one query, or two of the activity."""
    key = segment["segment_key"]
    if view.which == "activity":
        rows = await read_recent(connection, key)
        return {"rows": rows, "sources": await read_sources(connection, key), "last": None}
    if view.which == "readers":
        readers = await read_readers(connection, segment["network_id"], segment["segment_id"])
        return {"rows": readers, "last": None}
    if view.which == "members":
        wanted = Segment(key, segment["network_id"], segment["segment_id"], segment["segment_name"])
        page = await read_page(connection, wanted, view.moment, after, PER_PAGE)
        return {"rows": page.members, "last": page.last}
    read = read_overrides if view.which == "overrides" else read_disagreements
    rows, last = await read(connection, key, after, PER_PAGE)
    return {"rows": rows, "last": last}
