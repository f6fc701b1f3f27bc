"""What every request passes first: its network's turn, a bound on what is in flight, and a request id."""

from __future__ import annotations

import random
import re
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from service.http.kit.in_flight import NOBODY
from service.http.kit.problems import Problem, of_error, unavailable
from service.http.kit.raw_request import (
    MAX_BATCH_BODY,
    PIECE,
    WINDOW,
    Call,
    own_headers,
    send_pieces,
)
from service.http.kit.turns import Turns
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from service.http.kit.auth import Access
    from service.http.kit.deadlines import Deadlines
    from service.http.kit.in_flight import InFlight, Place

log = get_logger("api.gate")
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_ONLY_POST = Problem(405, "method_not_allowed", "only POST goes here", headers={"Allow": "POST"})
_CODINGS = Problem(
    400,
    "invalid_request",
    "of transfer codings only chunked is known, once",
    headers={"Connection": "close"},
)
# However busy it is, it says so.
_ALWAYS = ("/health/", "/metrics")
PUBLISHING = re.compile(r"/networks/([^/]+)/segments(/batch)?")


class Door(Protocol):
    """The two calls that publish."""

    async def post_one(self, call: Call) -> None:
        """Take one command."""

    async def post_batch(self, call: Call) -> None:
        """Take many."""


class Gate:
    """The outermost ASGI app. In scope["state"]: request_id, as sent in X-Request-Id or made here; place.

    It leads the two calls that publish straight to their door, all else to the framework. HEAD is GET whose answer is
    not sent further than its headers.
    """

    def __init__(
        self, app: ASGIApp, door: Door, access: Access, deadlines: Deadlines, in_flight: InFlight
    ) -> None:
        self._app = app
        self._door = door
        self._access = access
        self._deadlines = deadlines
        self._in_flight = in_flight
        self._turns = Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a request when it is its network's turn."""
        state = scope.setdefault("state", {})
        head = _look_at_headers(scope, state)
        network = self._access.network_of(head.authorization) or NOBODY
        await self._turns.run(network, self._answer(network, head, scope, receive, send))

    async def _answer(
        self, network: str, head: _Head, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let a request through, or answer 503 when too many are in flight, of all or of its network."""
        rest = _Rest(receive, head.has_length)
        path = PUBLISHING.fullmatch(scope["path"])
        posts = path is not None and scope["method"] == "POST"
        place, problem = self._enter(network, scope["path"], "no" if posts else None)
        scope["state"]["place"] = place
        try:
            if problem is not None:
                await self._refuse(problem, place, scope, rest, send)
            elif head.codings not in (b"", b"chunked"):
                await self._refuse(_CODINGS, place, scope, rest, send)
            elif path is None:
                await self._lead_to_framework(place, scope, rest, send)
            elif posts:
                await self._post(path, place, scope, rest, send)
            else:
                await self._refuse(_ONLY_POST, place, scope, rest, send)
        finally:
            place.leave()

    def _enter(
        self, network: str, path: str, published: str | None
    ) -> tuple[Place, Problem | None]:
        """Take a place; gives why there is none too, before anything else is done for the request."""
        aside = self._in_flight.aside()
        if path.startswith(_ALWAYS):
            return aside, None
        place = self._in_flight.enter()
        if place is None:
            return aside, unavailable("busy", "too many requests are in flight", published)
        if network == NOBODY:  # its key is looked up later
            return place, None
        try:
            place.claim(network, published)
        except Problem as problem:
            return place, problem
        return place, None

    async def _post(
        self, path: re.Match[str], place: Place, scope: Scope, rest: _Rest, send: Send
    ) -> None:
        post = self._door.post_batch if path[2] else self._door.post_one
        try:
            await post(Call(scope, rest.receive, send, path[1], self._deadlines))
        except Exception as error:
            problem = of_error(error)
            if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                request_id = scope["state"]["request_id"]
                log.exception("a request failed", path=scope["path"], request_id=request_id)
            # Its frames hold what was read of the body, and this one holds it: nothing would let go of them for long.
            problem.__traceback__ = problem.__cause__ = problem.__context__ = None
            await self._refuse(problem, place, scope, rest, send)

    async def _lead_to_framework(self, place: Place, scope: Scope, rest: _Rest, send: Send) -> None:
        # A file is to go through `send`, as all else does.
        scope["extensions"] = {}
        answer = _Answer(scope, rest, send, self._deadlines, place)
        if scope["method"] == "HEAD":
            scope["method"] = "GET"
        await self._app(scope, answer.receive, answer.send)

    async def _refuse(
        self, problem: Problem, place: Place, scope: Scope, rest: _Rest, send: Send
    ) -> None:
        answer = _Answer(scope, rest, send, self._deadlines, place)
        await problem.response()(scope, answer.receive, answer.send)


class _Rest:
    """The body of a request as far as it was not read.

    A connection that is closed while its client still sends is reset, and the answer with it. So the rest is dropped
    before the answer; not that of chunks, for no time bounds their trailers.
    """

    def __init__(self, receive: Receive, more: bool) -> None:  # noqa: FBT001 - as ASGI names it
        self._receive = receive
        self.more = more

    async def receive(self) -> Message:
        """Receive, and see whether that was all."""
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self.more = False
        return message

    async def drop(self, deadlines: Deadlines, seconds: float) -> None:
        """Take as much as a body may be, for as long, and keep nothing."""
        left = MAX_BATCH_BODY
        with suppress(TimeoutError), deadlines.within(seconds):
            while self.more and left > 0:
                left -= len((await self.receive()).get("body", b""))


class _Answer:
    """An answer on its way: it carries what every answer does, and holds bytes until its client has taken them."""

    def __init__(
        self, scope: Scope, rest: _Rest, send: Send, deadlines: Deadlines, place: Place
    ) -> None:
        self._scope = scope
        self._is_head = scope["method"] == "HEAD"
        self._rest = rest
        self._send = send
        self._deadlines = deadlines
        self._place = place
        self._start: Message | None = None
        self._ended = False

    async def receive(self) -> Message:
        """Receive; who has been answered is as good as gone."""
        return {"type": "http.disconnect"} if self._ended else await self._rest.receive()

    async def send(self, message: Message) -> None:
        """Send a part of the answer, and its start with the first, since only then it is known how large it is."""
        if message["type"] == "http.response.start":
            self._start = message
        elif not self._ended:
            if self._start is not None:
                message = await self._begin(self._start, message)
            await send_pieces(self._send, message, self._deadlines, self._place)

    async def _begin(self, start: Message, message: Message) -> Message:
        """Send the start, or another one where there is no room for the answer; gives what is to follow it."""
        self._start = None
        size, more = len(message.get("body", b"")), message.get("more_body", False)
        if self._is_head:
            self._ended, message = True, {"type": "http.response.body", "body": b""}
        elif more or size > PIECE:
            try:
                self._place.hold(WINDOW if more else size)
            except Problem as problem:
                response = problem.response()
                start = {
                    "type": start["type"],
                    "status": response.status_code,
                    "headers": response.raw_headers,
                }
                self._ended, message = True, {"type": "http.response.body", "body": response.body}
        said: list[Any] = start["headers"]
        names = {name for name, _ in said}
        # It may say itself what was left of the rate when it was refused.
        own = [line for line in own_headers(self._scope["state"]) if line[0] not in names]
        if self._rest.more:
            # Who is slow to send it holds no place meanwhile.
            self._place.leave()
            await self._rest.drop(self._deadlines, self._place.seconds)
            if self._rest.more:
                own.append((b"connection", b"close"))
        start["headers"] = [*said, *own]
        await self._send(start)
        return message


class _Head(NamedTuple):
    """What is to be known of a request first. has_length: whether a body of known length is on its way."""

    codings: bytes
    has_length: bool
    authorization: str | None


def _look_at_headers(scope: Scope, state: dict[str, Any]) -> _Head:
    """Look at a request's head, and set its id."""
    codings, request_id, has_length, expects, authorization = b"", None, False, False, None
    for name, value in scope["headers"]:
        if name == b"x-request-id" and request_id is None and _REQUEST_ID.fullmatch(value):
            request_id = str(value, "ascii")
        elif name == b"authorization" and authorization is None:
            authorization = value.decode("latin-1")
        elif name == b"transfer-encoding":
            codings += value.lower()
        elif name == b"content-length":
            has_length = not expects
        elif name == b"expect":
            expects, has_length = True, False
    # Not a secret: it tells one request from another.
    state["request_id"] = request_id or f"{random.getrandbits(128):032x}"
    return _Head(codings, has_length, authorization)
