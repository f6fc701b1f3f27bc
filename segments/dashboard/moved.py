"""Why a day of a segment moved after it was over: the late events, who sent them, and the day before and after each."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from projections.queries.retroactive import read_moved_day
from projections.queries.rows import find_segment, read_reach
from segments.dashboard.definition import PATH as SEGMENT
from service.http.kit.parameters import wrong

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import Route

    from segments.dashboard.visit import Pages, Visit

PATH = SEGMENT + "/moved"
SHOWN = 200
# It folds the keys with an event since that day.
SECONDS = 9.0


def routes(pages: Pages) -> list[Route]:
    """Return the route."""
    reading = pages.services.reading

    async def show(visit: Visit) -> Response:
        day = _day(visit)
        network_id = visit.network_id
        async with reading.transaction(network_id, repeatable=True, seconds=SECONDS) as connection:
            reach = await read_reach(connection, network_id)
            segment = await find_segment(connection, network_id, visit.segment_id)
            events = await read_moved_day(connection, segment.segment_key, day, SHOWN + 1)
        return visit.page(
            "moved.html", reach=reach, segment=segment, day=day, events=events[:SHOWN], has_more=len(events) > SHOWN
        )  # fmt: skip

    return [pages.show(PATH, show)]


def _day(visit: Visit) -> date:
    """Return the day of the URL. Raises: Problem 400."""
    try:
        day = date.fromisoformat(visit.query("day") or "")
    except ValueError:
        raise wrong("day", "must be a day: YYYY-MM-DD") from None
    if not date(1990, 1, 1) <= day < datetime.now(UTC).date():
        raise wrong("day", "must be over, and not before 1990")
    return day
