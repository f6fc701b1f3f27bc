"""Who looked at what: recorded for every page that shows it, but not for each refresh of the page."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import TYPE_CHECKING

from schemas.command.rules import normalise_user

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from segments.dashboard.visit import Visit
    from service.http.kit.access_log import AccessLog

# Looks whose refreshes are not recorded; the longest unused leave first.
MOST = 10_000
_REDIRECTS = range(300, 400)
_CONVERTOR = re.compile(r":\w+\}")


class Looks:
    """Records looks at a segment or a user.

    A client says itself that a request is a refresh, so it counts as one only after a look of its session at the same.
    """

    def __init__(self, accesses: AccessLog) -> None:
        self._accesses = accesses
        self._noted: OrderedDict[tuple[object, ...], None] = OrderedDict()

    def note_page(self, visit: Visit, route: str, response: Response) -> None:
        """Record what a page shows, whatever its status: a refused form stands beside the data."""
        segment_id = visit.request.path_params.get("segment_id")
        user = visit.query("user")
        if response.status_code not in _REDIRECTS and (user or segment_id is not None):
            self.note(visit, route, segment_id, user and normalise_user(user))

    def note(
        self,
        visit: Visit,
        route: str,
        segment_id: int | None,
        user: str | None,
        *,
        of: str | None = None,
    ) -> None:
        """Record a look. user: as normalised. of: the position of the one record that is shown."""
        look = (visit.token, visit.network_id, route, segment_id, user, of)
        is_known = look in self._noted
        self._noted[look] = None
        self._noted.move_to_end(look)
        if len(self._noted) > MOST:
            self._noted.popitem(last=False)
        if not (is_known and is_refresh(visit.request)):
            rows = None if of is None else 1
            plain = _CONVERTOR.sub("}", route)
            self._accesses.note(visit.key, "page", plain, segment_id, user, rows=rows)


def is_htmx(request: Request) -> bool:
    """Whether htmx sent a request."""
    return request.headers.get("hx-request") == "true"


def is_refresh(request: Request) -> bool:
    """Whether a client asks, as htmx does, for the changing part of a page."""
    return is_htmx(request) and request.method == "GET"
