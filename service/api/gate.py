"""What every request passes first: a bound on requests in flight, a time limit for bodies, a request id."""

from __future__ import annotations

import asyncio
import random
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from service.api.asgi import Call
from service.api.problems import Problem, of_error, unavailable
from service.telemetry import get_logger

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from service.deadlines import Deadlines

log = get_logger("api.gate")
BODY_SECONDS = 10.0
# A response of which a client takes nothing for so long is given up.
SEND_SECONDS = 30.0
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_HEADER = b"x-request-id"
_ONLY_POST = Problem(405, "method_not_allowed", "only POST goes here", headers={"Allow": "POST"})
_PUBLISHING = re.compile(r"/networks/([^/]+)/segments(/batch)?")


def _publishing(scope: Scope) -> re.Match[str] | None:
    """Give the path of a call that publishes; None for any other call."""
    return _PUBLISHING.fullmatch(scope["path"]) if scope["method"] == "POST" else None


class Door(Protocol):
    """The two calls that publish."""

    async def post_one(self, call: Call, send: Send) -> None:
        """Take one command."""

    async def post_batch(self, call: Call, send: Send) -> None:
        """Take many."""


class Gate:
    """The outermost ASGI app. In scope["state"]: request_id, as sent in X-Request-Id or made here.

    It leads the two calls that publish straight to their door, all else to the framework.
    """

    def __init__(self, app: ASGIApp, door: Door, deadlines: Deadlines, in_flight: int) -> None:
        self._app = app
        self._door = door
        self._deadlines = deadlines
        self._most = in_flight
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer 503 when too many are in flight."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = self._with_id(scope, send)
        if self._now >= self._most and not scope["path"].startswith("/health/"):
            published = "no" if _publishing(scope) else None
            problem = unavailable("busy", "too many requests are in flight", published)
            await problem.response()(scope, receive, send)
            return
        self._now += 1
        try:
            await self._pass(scope, receive, send)
        finally:
            self._now -= 1

    def _with_id(self, scope: Scope, send: Send) -> Send:
        """Give a `send` whose answer carries the request's id, and what is to be said of its key's rate."""
        sent = next((value for name, value in scope["headers"] if name == _HEADER), b"")
        # Not a secret: it tells one request from another.
        request_id = sent if _REQUEST_ID.fullmatch(sent) else b"%032x" % random.getrandbits(128)
        scope.setdefault("state", {})["request_id"] = request_id.decode()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message["headers"]
                more = [
                    (name.lower().encode(), value.encode())
                    for name, value in scope["state"].get("headers", {}).items()
                ]
                if message["status"] == HTTPStatus.TOO_MANY_REQUESTS:
                    # It may say itself what was left when it was refused.
                    more = [line for line in more if line[0] not in dict(own)]
                message["headers"] = [*own, (_HEADER, request_id), *more]
            await send(message)

        return send_with_id

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _PUBLISHING.fullmatch(scope["path"])
        if path is None:
            await self._app(scope, self._received_in_time(receive), self._sent_in_time(send))
            return
        if scope["method"] != "POST":
            await _ONLY_POST.response()(scope, receive, send)
            return
        post = self._door.post_batch if path[2] else self._door.post_one
        try:
            await post(Call(scope, self._received_in_time(receive), path[1]), send)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered
            await self._answer(error, scope, receive, send)

    async def _answer(self, error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
        problem = of_error(error)
        if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            request_id = scope["state"]["request_id"]
            log.error("a request failed", path=scope["path"], request_id=request_id, exc_info=error)
        await problem.response()(scope, receive, send)

    def _received_in_time(self, receive: Receive) -> Receive:
        """Give a `receive` that waits for a body no longer than BODY_SECONDS in all, and then as long as it takes."""
        deadline = asyncio.get_running_loop().time() + BODY_SECONDS
        complete = False

        async def receive_in_time() -> Message:
            nonlocal complete
            if complete:
                return await receive()
            try:
                with self._deadlines.until(deadline):
                    message = await receive()
            except TimeoutError:
                detail = f"the body was not here within {BODY_SECONDS:.0f} s"
                raise Problem(408, "timeout", detail) from None
            complete = not message.get("more_body", False)
            return message

        return receive_in_time

    def _sent_in_time(self, send: Send) -> Send:
        """Give a `send` that gives up on a client who takes nothing for SEND_SECONDS."""

        async def send_in_time(message: Message) -> None:
            with self._deadlines.within(SEND_SECONDS):
                await send(message)

        return send_in_time
