"""What every page does: session, scope, form, headers, errors."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from projections.http.formats import SNAPSHOT
from projections.http.query_parameters import is_text
from schemas.command.rules import MAX_SEGMENT_ID
from segments.dashboard.forms import read_form, read_upload, refuse_foreign
from segments.dashboard.looks import Looks, is_htmx
from segments.dashboard.rendering import network_path, path, render
from segments.dashboard.sessions import csrf_token, key_for, token_of
from service.http.kit.parameters import refuse_misread, wrong
from service.http.kit.problems import Problem, log_unexpected, of_error
from service.registry.api_keys import Scope
from service.runtime.errors import UnknownSegmentError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from projections.http.results import ResultReader
    from projections.queries.rows import Reach
    from segments.dashboard.sessions import Sessions
    from service.http.kit.access_log import AccessLog
    from service.http.kit.auth import Access, Admission, RegistryRate
    from service.http.kit.database import SharedDatabase
    from service.http.publishing.routes import Publishing
    from service.operations.api_retries import Retries
    from service.registry.api_keys import ApiKey
    from service.runtime.settings import Settings

# Of header HX-Trigger: the regions that show data ask for themselves anew.
MOVED = '{"moved": {"target": "body"}}'
# A view that is this much older than now is shown as behind.
BEHIND_SECONDS = 60
# Nothing but files of this service; no inline script or style, and nothing evaluated.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Vary": "HX-Request",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Services(NamedTuple):
    """What pages use.

    reading: with role segments_api; changing: segments_registry; operating: segments_operate;
    sealed: segments_seal.
    """

    settings: Settings
    sessions: Sessions
    access: Access
    registry_rate: RegistryRate
    erasure_rate: RegistryRate
    reading: SharedDatabase
    changing: SharedDatabase
    operating: SharedDatabase
    sealed: SharedDatabase
    publishing: Publishing
    results: ResultReader
    accesses: AccessLog
    retries: Retries


@dataclass
class Visit:
    """One request of somebody who is signed in."""

    request: Request
    token: str
    admission: Admission
    networks: list[str]
    form: dict[str, str] = field(default_factory=dict)
    # The name and the bytes of an uploaded file.
    file: tuple[str, bytes] = ("", b"")

    @property
    def key(self) -> ApiKey:
        """The key of the session."""
        return self.admission.key

    @property
    def network_id(self) -> str:
        """The network of the page."""
        return self.admission.network_id

    @property
    def segment_id(self) -> int:
        """The segment in the path. Raises: UnknownSegmentError for a number that no segment can have."""
        segment_id: int = self.request.path_params["segment_id"]
        if not 1 <= segment_id <= MAX_SEGMENT_ID:
            raise UnknownSegmentError
        return segment_id

    def query(self, name: str) -> str | None:
        """Return a parameter, without white space around it; None if absent or empty. Raises: Problem 400."""
        try:
            return is_text(self.request.query_params.get(name, "").strip()) or None
        except ValueError as error:
            raise wrong(name, str(error)) from None

    def day(self, name: str) -> date | None:
        """Return a parameter as a day; None if absent or empty. Raises: Problem 400."""
        text = self.query(name)
        if text is None:
            return None
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise wrong(name, "must be a day: YYYY-MM-DD") from None

    def field(self, name: str) -> str | None:
        """Return a field of the form, without white space around it; None if absent or empty."""
        return self.form.get(name, "").strip() or None

    def link(self, *parts: object, **query: object) -> str:
        """Return the URL of a page of this network."""
        return network_path(self.network_id, *parts, **query)

    def page(
        self, template: str, *, reach: Reach | None = None, status: int = 200, **context: Any
    ) -> Response:
        """Render a page; only its block `live` if htmx asks."""
        everything = {
            **context,
            "visit": self,
            "link": self.link,
            "csrf": csrf_token(self.token),
            "may_change": Scope.ADMIN in self.key.scopes,
            "may_publish": Scope.PUBLISH in self.key.scopes,
            "may_operate": Scope.OPERATE in self.key.scopes,
            "here": _target(self.request),
            "as_of": reach and AsOf.of(reach),
        }
        block = "live" if is_htmx(self.request) else None
        headers = {SNAPSHOT: reach.snapshot} if reach else None
        return HTMLResponse(render(template, everything, block), status, headers)

    def go(self, url: str) -> Response:
        """Redirect after a change."""
        return RedirectResponse(url, 303)


class AsOf(NamedTuple):
    """The moment as of which a page is true. seconds: how long ago; None: nothing was read yet."""

    complete_until: datetime | None
    snapshot: str
    seconds: int | None

    @classmethod
    def of(cls, reach: Reach) -> AsOf:
        """Compare the watermark with now."""
        until = reach.complete_until
        seconds = None
        if until is not None:
            seconds = max(0, round((datetime.now(UTC) - until).total_seconds()))
        return cls(until, reach.snapshot, seconds)

    @property
    def is_behind(self) -> bool:
        """Whether what was received over a minute ago may be missing."""
        return self.seconds is not None and self.seconds > BEHIND_SECONDS


class Pages:
    """Makes routes of handlers."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.looks = Looks(services.accesses)

    def show(
        self,
        template_path: str,
        handler: Callable[[Visit], Awaitable[Response]],
        scope: Scope = Scope.REPORT,
    ) -> Route:
        """Return the route of a page, for keys of a scope. Who looked at a segment or a user is recorded."""

        async def endpoint(request: Request) -> Response:
            visit = await self._admit(request, scope)
            refuse_misread(request)
            response = await handler(visit)
            self.looks.note_page(visit, template_path, response)
            return response

        return Route(template_path, guarded(endpoint), methods=["GET"])

    def change(
        self,
        template_path: str,
        scope: Scope,
        handler: Callable[[Visit], Awaitable[Response]],
        *,
        takes_file: bool = False,
    ) -> Route:
        """Return the route of a form, for keys of a scope. What its answer shows is recorded, as of a page.

        takes_file: it is sent as multipart/form-data.
        """

        async def endpoint(request: Request) -> Response:
            visit = await self._admit(request, scope)
            refuse_foreign(request)
            if takes_file:
                visit.form, visit.file = await read_upload(request)
            else:
                visit.form = await read_form(request)
            sent = visit.form.get("csrf", "").encode()
            if not hmac.compare_digest(sent, csrf_token(visit.token).encode()):
                raise Problem(
                    403, "forbidden", "this form is from another session: load the page anew"
                )
            response = await handler(visit)
            self.looks.note_page(visit, template_path, response)
            return response

        return Route(template_path, guarded(endpoint), methods=["POST"])

    async def _admit(self, request: Request, scope: Scope) -> Visit:
        """Find the session, and admit its key to the network. Raises: SignedOutError, Problem."""
        token = token_of(request)
        keys = await self.services.sessions.find(token) if token else ()
        if token is None or not keys:
            raise SignedOutError
        network_id = request.path_params.get("network_id")
        key = key_for(keys, network_id)
        if network_id is None:  # a page of the whole installation
            key = next((one for one in keys if scope in one.scopes), key)
            network_id = key.network_id
        admission = self.services.access.admit_key(request.scope["state"], key, network_id, scope)
        return Visit(request, token, admission, [one.network_id for one in keys])


class SignedOutError(Exception):
    """The request has no session."""


def guarded(
    endpoint: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that turns errors into pages, and sets the headers of every page."""

    async def answer(request: Request) -> Response:
        try:
            response = await endpoint(request)
        except SignedOutError:
            response = _sign_in(request)
        except Exception as error:  # noqa: BLE001 - every error is shown as a page
            log_unexpected(request.scope, error)
            response = error_page(request, of_error(error).without_frames())
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return answer


def error_page(request: Request, problem: Problem) -> Response:
    """Show a problem; to htmx, without the frame of a page."""
    context = {"problem": problem, "request_id": request.scope["state"]["request_id"]}
    block = "live" if is_htmx(request) else None
    return HTMLResponse(
        render("error.html", context, block), problem.status, headers=problem.headers
    )


def _sign_in(request: Request) -> Response:
    """Send a browser to the sign-in page, and back afterwards."""
    target = _target(request) if request.method == "GET" else None
    url = path("sign-in", next=target)
    if is_htmx(request):
        return Response(status_code=401, headers={"HX-Redirect": path("sign-in")})
    return RedirectResponse(url, 303)


def _target(request: Request) -> str:
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")
