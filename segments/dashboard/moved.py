"""Why a day of a segment moved after it was over: the late events, who sent them, and the day before and after each."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from projections.http.cursors import Cursors, LateCursor
from projections.http.query_parameters import micros
from projections.queries.moments import EPOCH
from projections.queries.retroactive import LateCommand, read_moved_day
from projections.queries.rows import find_segment, read_reach
from segments.dashboard.definition import PATH as SEGMENT
from service.http.kit.parameters import wrong

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import Route

    from segments.dashboard.visit import Pages, Visit

PATH = SEGMENT + "/moved"
# Late commands a page looks at.
PER_PAGE = 100


def routes(pages: Pages) -> list[Route]:
    """Return the route."""
    reading = pages.services.reading
    cursors = Cursors(reading.settings)

    async def show(visit: Visit) -> Response:
        day = _day(visit)
        network_id = visit.network_id
        before = _before(cursors, visit, day)
        async with reading.transaction(network_id, repeatable=True) as connection:
            reach = await read_reach(connection, network_id)
            segment = await find_segment(connection, network_id, visit.segment_id)
            late, last = await read_moved_day(
                connection, segment.segment_key, day, PER_PAGE, before
            )
        return visit.page(
            "moved.html",
            reach=reach,
            segment=segment,
            day=day,
            late=late,
            is_first=before is None,
            following=last and cursors.encode(_cursor(visit, day, last)),
        )

    return [pages.show(PATH, show)]


def _cursor(visit: Visit, day: date, last: LateCommand) -> LateCursor:
    at = micros(last.recorded_at) or 0
    return LateCursor(
        visit.network_id, visit.segment_id, str(day), at, last.topic, last.partition, last.epoch, last.offset,
        last.members, last.joined, last.left,
    )  # fmt: skip


def _before(cursors: Cursors, visit: Visit, day: date) -> LateCommand | None:
    """Return the command to go on before. Raises: Problem 400."""
    text = visit.query("cursor")
    if text is None:
        return None
    network_id, segment_id, of, at, *others = msgspec.structs.astuple(
        cursors.read(text, LateCursor)
    )
    if (network_id, segment_id, of) != (visit.network_id, visit.segment_id, str(day)):
        raise wrong("cursor", "belongs to another day or segment")
    return LateCommand(EPOCH + timedelta(microseconds=at), *others)


def _day(visit: Visit) -> date:
    """Return the day of the URL. Raises: Problem 400."""
    try:
        day = date.fromisoformat(visit.query("day") or "")
    except ValueError:
        raise wrong("day", "must be a day: YYYY-MM-DD") from None
    if not date(1990, 1, 1) <= day < datetime.now(UTC).date():
        raise wrong("day", "must be over, and not before 1990")
    return day
