"""The segments of a network: sizes and movement; searched, filtered and sorted by the URL."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from projections.queries.rows import read_reach
from projections.queries.segments import SORTS, SegmentFilter, list_sizes, read_days
from segments.dashboard.charts import SPARK_DAYS, movement
from service.http.kit.parameters import wrong

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import Route

    from segments.dashboard.visit import Pages, Visit

PATH = "/networks/{network_id}/segments"
PER_PAGE = 50
MAX_PAGES = 1000
# What parameter `show` lists: archived, visible.
_SHOWN: dict[str, tuple[bool | None, bool | None]] = {
    "current": (False, None),
    "hidden": (False, False),
    "archived": (True, None),
    "all": (None, None),
}


class _Query(NamedTuple):
    text: str | None
    show: str
    sort: str
    page: int

    def without_defaults(self) -> dict[str, object]:
        """Return the parameters of the URL."""
        return {
            "q": self.text,
            "show": self.show if self.show != "current" else None,
            "sort": self.sort if self.sort != "id" else None,
        }


def routes(pages: Pages) -> list[Route]:
    """Return the route of the list."""
    reading = pages.services.reading

    async def show(visit: Visit) -> Response:
        query = _read(visit)
        today = datetime.now(UTC).date()
        archived, visible = _SHOWN[query.show]
        which = SegmentFilter(
            query.text, archived, visible, query.sort.removeprefix("-"), query.sort.startswith("-")
        )
        async with reading.transaction(visit.network_id, repeatable=True) as connection:
            reach = await read_reach(connection, visit.network_id)
            listed = await list_sizes(
                connection, visit.network_id, which, PER_PAGE, (query.page - 1) * PER_PAGE
            )
            since = today - timedelta(days=SPARK_DAYS)
            ids = [segment["segment_id"] for segment in listed.segments]
            days = await read_days(connection, visit.network_id, ids, since)
        for segment in listed.segments:
            segment["movement"] = movement(segment["members"], days[segment["segment_id"]], today)
        return visit.page(
            "segments.html",
            reach=reach,
            segments=listed.segments,
            matching=listed.matching,
            query=query,
            pages=-(-listed.matching // PER_PAGE),
            to=lambda **changed: visit.link("segments", **(query.without_defaults() | changed)),
        )

    return [pages.show(PATH, show)]


def _read(visit: Visit) -> _Query:
    """Read the parameters. Raises: Problem 400."""
    show, sort, page = (
        visit.query("show") or "current",
        visit.query("sort") or "id",
        visit.query("page") or "1",
    )
    if show not in _SHOWN:
        raise wrong("show", f"must be one of {', '.join(_SHOWN)}")
    if sort.removeprefix("-") not in SORTS:
        raise wrong("sort", f"must be one of {', '.join(SORTS)}, with - before it to descend")
    if not re.fullmatch(r"[0-9]{1,4}", page) or not 1 <= int(page) <= MAX_PAGES:
        raise wrong("page", f"must be 1 to {MAX_PAGES}")
    return _Query(visit.query("q"), show, sort, int(page))
