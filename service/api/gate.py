"""What every request passes first: a bound on requests in flight, and a request id."""

from __future__ import annotations

import random
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from service.api.asgi import Call, own_headers
from service.api.problems import Problem, of_error, unavailable
from service.telemetry import get_logger

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from service.api.in_flight import InFlight
    from service.deadlines import Deadlines

log = get_logger("api.gate")
# A response of which a client takes nothing for so long is given up.
SEND_SECONDS = 30.0
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_ONLY_POST = Problem(405, "method_not_allowed", "only POST goes here", headers={"Allow": "POST"})
# However busy it is, it says so.
_ALWAYS = ("/health/", "/metrics")
_PUBLISHING = re.compile(r"/networks/([^/]+)/segments(/batch)?")


class Door(Protocol):
    """The two calls that publish."""

    async def post_one(self, call: Call) -> None:
        """Take one command."""

    async def post_batch(self, call: Call) -> None:
        """Take many."""


class Gate:
    """The outermost ASGI app. In scope["state"]: request_id, as sent in X-Request-Id or made here.

    It leads the two calls that publish straight to their door, all else to the framework.
    """

    def __init__(self, app: ASGIApp, door: Door, deadlines: Deadlines, in_flight: InFlight) -> None:
        self._app = app
        self._door = door
        self._deadlines = deadlines
        self._in_flight = in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer 503 when too many are in flight."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = _request_id(scope)
        path = _PUBLISHING.fullmatch(scope["path"])
        posts = path is not None and scope["method"] == "POST"
        if scope["path"].startswith(_ALWAYS):
            await self._app(scope, receive, self._in_time(_with_own_headers(scope, send)))
            return
        if not self._in_flight.enter():
            problem = unavailable(
                "busy", "too many requests are in flight", "no" if posts else None
            )
            await problem.response()(scope, receive, _with_own_headers(scope, send))
            return
        try:
            if path is None:
                await self._app(scope, receive, self._in_time(_with_own_headers(scope, send)))
            elif posts:
                await self._post(path, scope, receive, send)
            else:
                await _ONLY_POST.response()(scope, receive, _with_own_headers(scope, send))
        finally:
            self._in_flight.leave(state)

    async def _post(self, path: re.Match[str], scope: Scope, receive: Receive, send: Send) -> None:
        post = self._door.post_batch if path[2] else self._door.post_one
        try:
            await post(Call(scope, receive, send, path[1], self._deadlines))
        except Exception as error:
            problem = of_error(error)
            if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                request_id = scope["state"]["request_id"]
                log.exception("a request failed", path=scope["path"], request_id=request_id)
            await problem.response()(scope, receive, _with_own_headers(scope, send))

    def _in_time(self, send: Send) -> Send:
        """Give a `send` that gives up on a client who takes nothing for SEND_SECONDS."""

        async def send_in_time(message: Message) -> None:
            with self._deadlines.within(SEND_SECONDS):
                await send(message)

        return send_in_time


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    # Not a secret: it tells one request from another.
    return f"{random.getrandbits(128):032x}"


def _with_own_headers(scope: Scope, send: Send) -> Send:
    """Give a `send` whose answer carries what every answer does."""

    async def send_with_them(message: Message) -> None:
        if message["type"] == "http.response.start":
            # It may say itself what was left of the rate when it was refused.
            said: list[Any] = message["headers"]
            names = {name for name, _ in said}
            own = own_headers(scope["state"])
            message["headers"] = [*said, *(line for line in own if line[0] not in names)]
        await send(message)

    return send_with_them
