"""Who looked at what: recorded once a page, and not for each refresh of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.command.rules import normalise_user

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from segments.dashboard.visit import Visit
    from service.http.kit.access_log import AccessLog

# Statuses from here on say that nothing was shown.
_FAILED = 400


def note_look(accesses: AccessLog, visit: Visit, route: str, response: Response) -> None:
    """Record a look at a segment or a user."""
    segment_id = visit.request.path_params.get("segment_id")
    user = visit.query("user")
    is_shown = response.status_code < _FAILED and not is_refresh(visit.request)
    if is_shown and (user or segment_id is not None):
        accesses.note(visit.key, "page", route, segment_id, user and normalise_user(user))


def is_htmx(request: Request) -> bool:
    """Whether htmx sent a request."""
    return request.headers.get("hx-request") == "true"


def is_refresh(request: Request) -> bool:
    """Whether htmx asks for the changing part of a page."""
    return is_htmx(request) and request.method == "GET"
