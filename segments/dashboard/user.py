"""One user: the segments they are or were in, and why they are in one of them, or not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from projections.http.cursors import Cursors, EventsCursor
from projections.http.query_parameters import is_user
from projections.queries.explain import EventPlace, explain_in
from projections.queries.rows import Moment, find_segment, read_reach
from projections.queries.users import read_intervals, read_user
from segments.dashboard.charts import lanes
from segments.dashboard.definition import PATH as SEGMENT
from service.http.kit.parameters import wrong
from service.registry.erasure import REMAINS, read_content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response
    from starlette.routing import Route

    from segments.dashboard.visit import Pages, Visit
    from service.http.kit.problems import Problem

EVENTS = 100
_NEVER = datetime.max.replace(tzinfo=UTC)


def routes(pages: Pages) -> list[Route]:
    """Return the routes of a user, and of a user in a segment."""
    reading = pages.services.reading
    key_page = KeyPage(pages)

    async def show(visit: Visit) -> Response:
        user = user_of(visit)
        if user is None:
            return visit.page("user_search.html")
        async with reading.transaction(visit.network_id, repeatable=True) as connection:
            reach = await read_reach(connection, visit.network_id)
            states, more = await read_user(connection, visit.network_id, user, None, Moment())
            intervals = await read_intervals(connection, visit.network_id, user)
            receipt = None
            if visit.query("receipt"):
                receipt = await read_content(connection, visit.network_id, user)
        now = datetime.now(UTC)
        bars, begin = lanes(intervals, now)
        return visit.page(
            "user.html", reach=reach, user=user, states=states, has_more=more is not None, bars=bars,
            begin=begin, now=now, receipt=receipt, remains=REMAINS,
        )  # fmt: skip

    async def show_key(visit: Visit) -> Response:
        return await key_page.show(visit)

    return [
        pages.show("/networks/{network_id}/user", show),
        pages.show(SEGMENT + "/user", show_key),
    ]


class KeyPage:
    """The page of a user in a segment: the state, each event and its effect, and the form to change it."""

    def __init__(self, pages: Pages) -> None:
        self._reading = pages.services.reading
        self._cursors = Cursors(self._reading.settings)

    async def show(self, visit: Visit, problem: Problem | None = None, **context: Any) -> Response:
        """Show the page. problem: why what was sent was refused. context: of the form."""
        user = user_of(visit)
        if user is None:
            return visit.go(visit.link("segments", visit.segment_id))
        network_id, segment_id = visit.network_id, visit.segment_id
        async with self._reading.transaction(network_id, repeatable=True) as connection:
            reach = await read_reach(connection, network_id)
            segment = await find_segment(connection, network_id, segment_id)
            before = self._before(visit, user)
            found = await explain_in(connection, segment, user, EVENTS, before)
        following = found["earlier"] and self._cursors.encode(
            EventsCursor(network_id, segment_id, user, *found["earlier"])
        )
        return visit.page(
            "key.html",
            reach=reach,
            status=problem.status if problem else 200,
            user=user,
            segment=segment,
            state=found["now"],
            events=marked(found["events"])[::-1],
            following=following,
            sent=visit.query("sent"),
            is_sealed=self._reading.settings.seal_dir is not None,
            problem=problem,
            **{"preview": None, "fields": {}, **context},
        )

    def _before(self, visit: Visit, user: str) -> EventPlace | None:
        """Return the event to continue before. Raises: Problem 400."""
        text = visit.query("cursor")
        if text is None:
            return None
        cursor = self._cursors.read(text, EventsCursor)
        if (cursor.network_id, cursor.segment_id, cursor.user) != (
            visit.network_id,
            visit.segment_id,
            user,
        ):
            raise wrong("cursor", "belongs to another user and segment")
        return EventPlace(cursor.lane_id, cursor.offset)


def user_of(visit: Visit) -> str | None:
    """Return the user of the URL, normalised; None without one. Raises: Problem 400."""
    user = visit.request.query_params.get("user", "").strip()
    if not user:
        return None
    try:
        return is_user(user)
    except ValueError as error:
        raise wrong("user", str(error)) from None


def marked(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add to each event whether it came late: after one of these that is later in the fold's order. In that order."""
    result = []
    received_after = _NEVER
    for event in reversed(events):
        result.append(event | {"is_late": event["received_at"] > received_after})
        received_after = min(received_after, event["received_at"])
    return result[::-1]
