"""The chart of a segment: from kept days, or else, if it is large, by a request of its own (docs/decisions/0085)."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from projections.queries.rows import read_reach
from projections.queries.segments import read_calendar, read_causes, read_segment
from segments.dashboard.charts import bars, draw
from segments.dashboard.definition import PATH as SEGMENT
from segments.dashboard.segment_view import read_view

if TYPE_CHECKING:
    import asyncpg
    from starlette.responses import Response
    from starlette.routing import Route

    from projections.queries.rows import Row
    from segments.dashboard.segment_view import SegmentView
    from segments.dashboard.visit import Pages, Visit

PATH = SEGMENT + "/chart"
# The table beside the chart has the latest units; the chart has all of them.
TABLE_ROWS = 120
# A chart that reads intervals is part of the page for segments with fewer changes of membership than this.
AT_ONCE = 20_000
# A query that reads all intervals of a segment. Less than what API keys are confirmed within.
SECONDS = 9.0
# How long such a chart is shown without being read again, and how many are held.
KEPT_SECONDS, KEPT = 60.0, 100


class _Kept(NamedTuple):
    chart: dict[str, Any]
    until: float


class SegmentCharts:
    """Reads charts. Those that take long are held for KEPT_SECONDS, for pages that refresh."""

    def __init__(self, pages: Pages) -> None:
        self._reading = pages.services.reading
        self._kept: OrderedDict[tuple[Any, ...], _Kept] = OrderedDict()

    def routes(self, pages: Pages) -> list[Route]:
        """Return the route of a chart alone."""
        return [pages.show(PATH, self._show)]

    async def read(
        self, connection: asyncpg.Connection[Any], segment: Row, view: SegmentView
    ) -> dict[str, Any]:
        """Return what the template of a chart takes: one query, or none if the chart is to be asked for."""
        if view.zone == "UTC":
            return await _read(connection, segment, view)
        kept = self._kept.get(_name(segment, view))
        if kept is not None and kept.until > time.monotonic():
            return kept.chart
        if segment["changes"] > AT_ONCE:
            return {"is_asked_for": True}
        return await _read(connection, segment, view)

    async def _show(self, visit: Visit) -> Response:
        view = read_view(visit)
        async with self._reading.transaction(
            visit.network_id, repeatable=True, seconds=SECONDS
        ) as connection:
            reach = await read_reach(connection, visit.network_id)
            segment = await read_segment(connection, visit.network_id, visit.segment_id)
            chart = await _read(connection, segment, view)
        name = _name(segment, view)
        self._kept[name] = _Kept(chart, time.monotonic() + KEPT_SECONDS)
        self._kept.move_to_end(name)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return visit.page(
            "segment_chart.html", reach=reach, segment=segment, view=view, chart=chart
        )


def _name(segment: Row, view: SegmentView) -> tuple[Any, ...]:
    return (segment["segment_key"], view.chart, view.unit, view.since, view.last, view.zone)


async def _read(
    connection: asyncpg.Connection[Any], segment: Row, view: SegmentView
) -> dict[str, Any]:
    wanted = (view.unit, view.since, view.last, view.zone)
    if view.chart == "causes":
        causes = await read_causes(connection, segment["segment_key"], *wanted)
        first = causes[0]["starts_on"] if causes else None
        return {"sizes": causes[-TABLE_ROWS:], "bars": bars(causes, view.unit), "first": first}
    sizes = await read_calendar(connection, segment["network_id"], segment["segment_id"], *wanted)
    line = draw([size["members"] for size in sizes])
    first = sizes[0]["starts_on"] if sizes else None
    return {"sizes": sizes[-TABLE_ROWS:], "line": line, "first": first}
