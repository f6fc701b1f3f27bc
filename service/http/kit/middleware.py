"""What every request passes first: its network's turn, a bound on what is in flight, and a request id."""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from service.http.kit.in_flight import NOBODY
from service.http.kit.problems import Problem, of_unpublished, unavailable
from service.http.kit.request_body import MAX_BATCH_BODY
from service.http.kit.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from service.http.kit.auth import Access
    from service.http.kit.in_flight import InFlight, Place

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_CODINGS = Problem(
    400,
    "invalid_request",
    "of transfer codings only chunked is known, once",
    headers={"Connection": "close"},
)
# However busy it is, it says so.
_ALWAYS = ("/health/", "/metrics")
# Said in place of the server's own name.
_SERVER = (b"server", b"segments")
# An answer is sent in pieces of so many bytes at most: only as the client takes one does the server get the next.
PIECE = 16 * 1024
# What the server keeps of an answer that its client does not take.
WINDOW = 8 * PIECE


class RequestMiddleware:
    """The outermost ASGI app. In scope["state"]: request_id, as sent in X-Request-Id or made here; place.

    HEAD is GET whose answer is not sent further than its headers.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        in_flight: InFlight,
        find_post: Callable[[Scope], ASGIApp | None],
    ) -> None:
        """app: of all requests but those for which `find_post` returns another one, because they publish."""
        self._app = app
        self._access = access
        self._in_flight = in_flight
        self._find_post = find_post
        self._turns = Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a request when it is its network's turn."""
        head = _look_at_headers(scope)
        scope.setdefault("state", {})["request_id"] = head.request_id
        network = self._access.network_of(head.authorization) or NOBODY
        await self._turns.run(network, self._answer(network, head, scope, receive, send))

    async def _answer(
        self, network: str, head: _Head, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let a request through, or answer 503 when too many are in flight, of all or of its network."""
        post = self._find_post(scope)
        place, problem = self._enter(network, scope)
        if problem is None and head.codings not in (b"", b"chunked"):
            problem = _CODINGS
        scope["state"]["place"] = place
        # A file is to go through `send`, as all else does.
        scope["extensions"] = {}
        answer = _Answer(scope, place, receive, send, has_body=head.has_length)
        if scope["method"] == "HEAD":
            scope["method"] = "GET"
        try:
            app = post or self._app
            if problem is not None:
                app = (problem if post is None else of_unpublished(problem)).response()
            await app(scope, answer.receive, answer.send)
        finally:
            place.leave()

    def _enter(self, network: str, scope: Scope) -> tuple[Place, Problem | None]:
        """Take a place; gives why there is none too, before anything else is done for the request."""
        if scope["path"].startswith(_ALWAYS):
            return self._in_flight.aside(), None
        place = self._in_flight.enter()
        if place is None:
            problem = unavailable("busy", "too many requests are in flight")
            return self._in_flight.aside(), problem
        if network != NOBODY:  # else its key is looked up later
            try:
                place.claim(network)
            except Problem as refused:
                return place, refused
        return place, None


class _Answer:
    """An answer on its way: it carries what every answer does, and holds bytes until its client has taken them.

    A connection that is closed while its client still sends is reset, and the answer with it. So what was not read of
    a body is dropped before the answer; not that of chunks, for no time bounds their trailers.
    """

    def __init__(
        self, scope: Scope, place: Place, receive: Receive, send: Send, *, has_body: bool
    ) -> None:
        """has_body: whether a body of known length is on its way."""
        self._state = scope["state"]
        self._is_head = scope["method"] == "HEAD"
        self._place = place
        self._receive = receive
        self._send = send
        self._more = has_body
        self._start: Message | None = None
        self._ended = False

    async def receive(self) -> Message:
        """Receive; who has been answered is as good as gone."""
        return {"type": "http.disconnect"} if self._ended else await self._receive_more()

    async def _receive_more(self) -> Message:
        """Receive, and see whether that was all."""
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._more = False
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer, and its start with the first, since only then it is known how large it is.

        Raises: TimeoutError where the client takes nothing for too long.
        """
        if message["type"] == "http.response.start":
            self._start = message
        elif not self._ended:
            if self._start is not None:
                message = await self._begin(self._start, message)
            if message.get("more_body", False) or len(message.get("body", b"")) > PIECE:
                await self._send_pieces(message)
            else:
                await self._send(message)

    async def _begin(self, start: Message, message: Message) -> Message:
        """Send the start, or another one where there is no room for the answer; gives what is to follow it."""
        self._start = None
        size, more = len(message.get("body", b"")), message.get("more_body", False)
        if self._is_head:
            self._ended, message = True, {"type": "http.response.body", "body": b""}
        # Whose body is held is answered in any case: what it asked for may be done, and its body's bytes wait for it.
        elif (more or size > PIECE) and not self._place.held:
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
        own = [line for line in self._own_headers() if line[0] not in names]
        if self._more:
            # Who is slow to send it holds no place meanwhile.
            self._place.leave()
            await self._drop_body()
            if self._more:
                own.append((b"connection", b"close"))
        start["headers"] = [*said, *own]
        await self._send(start)
        return message

    def _own_headers(self) -> list[tuple[bytes, bytes]]:
        """Give what every answer carries: the request's id, and what is to be said of its key's rate."""
        rate: dict[str, str] = self._state.get("headers", {})
        return [
            (b"x-request-id", self._state["request_id"].encode()),
            _SERVER,
            *((name.lower().encode(), value.encode("latin-1")) for name, value in rate.items()),
        ]

    async def _drop_body(self) -> None:
        """Take as much as a body may be, for as long, and keep nothing."""
        left = MAX_BATCH_BODY
        with suppress(TimeoutError):
            async with asyncio.timeout(self._place.seconds):
                while self._more and left > 0:
                    left -= len((await self._receive_more()).get("body", b""))

    async def _send_pieces(self, message: Message) -> None:
        """Send a part of the answer as its client takes it."""
        view, more = memoryview(message.get("body", b"")), message.get("more_body", False)
        for at in range(0, max(len(view), 1), PIECE):
            piece = {
                "type": message["type"],
                "body": bytes(view[at : at + PIECE]),
                "more_body": more or at + PIECE < len(view),
            }
            async with asyncio.timeout(3 * self._place.seconds):
                await self._send(piece)


class _Head(NamedTuple):
    """What is to be known of a request first. has_length: whether a body of known length is on its way."""

    request_id: str
    codings: bytes
    has_length: bool
    authorization: str | None


def _look_at_headers(scope: Scope) -> _Head:
    """Look at a request's head."""
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
    request_id = request_id or f"{random.getrandbits(128):032x}"
    return _Head(request_id, codings, has_length, authorization)
