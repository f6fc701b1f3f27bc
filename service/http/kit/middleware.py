"""The outermost middleware: turns among networks, limits on what is in flight, request ids."""

from __future__ import annotations

import asyncio
import random
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from service.http.kit.auth import read_authorization
from service.http.kit.in_flight import NOBODY
from service.http.kit.problems import Problem, log_unexpected, of_unpublished, unavailable
from service.http.kit.request_body import MAX_BATCH_BODY
from service.http.kit.turns import Turns
from service.runtime.server import CutOffError
from service.runtime.telemetry import HTTP_SECONDS, measures

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from service.http.kit.auth import Access
    from service.http.kit.in_flight import InFlight, Place

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_CODINGS = Problem(
    400,
    "invalid_request",
    "the only supported transfer coding is chunked, once",
    headers={"Connection": "close"},
)
# These paths are served even when the process is full.
_ALWAYS = ("/health/", "/metrics")
# The paths that browsers open with a session in a cookie.
_PAGES = "/admin"
# Labels of metrics: clients may send any method.
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Replaces the HTTP server's own name.
_SERVER = (b"server", b"segments")
# A response is sent in pieces of at most this many bytes; the server gets the next piece once the client took one.
PIECE = 16 * 1024
# Bytes of a response that the server buffers for a client that does not read.
WINDOW = 8 * PIECE


class RequestMiddleware:
    """The outermost ASGI app.

    It sets in scope["state"]: began (by perf_counter), request_id (X-Request-Id, or a new one), sent_key, place.

    HEAD runs as GET, and the body of the response is dropped.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        in_flight: InFlight,
        find_post: Callable[[Scope], ASGIApp | None],
        network_of_session: Callable[[Scope], str | None],
    ) -> None:
        """app: serves all requests except those for which `find_post` returns another app, because they publish.

        network_of_session: the network of a page's session, if it is cached.
        """
        self._app = app
        self._access = access
        self._in_flight = in_flight
        self._find_post = find_post
        self._network_of_session = network_of_session
        self._turns = Turns()
        measures(HTTP_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a request when it is its network's turn."""
        began = time.perf_counter()
        head = _look_at_headers(scope)
        sent_key = read_authorization(head.authorization)
        scope.setdefault("state", {}).update(
            request_id=head.request_id, sent_key=sent_key, began=began
        )
        network = self._access.network_of(sent_key) or NOBODY
        if network == NOBODY and scope["path"].startswith(_PAGES):
            network = self._network_of_session(scope) or NOBODY
        await self._turns.run(network, self._answer(network, head, scope, receive, send))

    async def _answer(
        self, network: str, head: _Head, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Run a request, or answer 503 if too many are in flight, in total or for its network."""
        post = self._find_post(scope)
        place, problem = self._enter(network, scope)
        if problem is None and head.codings not in (b"", b"chunked"):
            problem = _CODINGS
        scope["state"]["place"] = place
        # Without the server's extensions, a file is sent through `send` like any body.
        scope["extensions"] = {}
        answer = _Answer(scope, place, receive, send, has_body=head.has_length)
        if scope["method"] == "HEAD":
            scope["method"] = "GET"
        try:
            app = post or self._app
            if problem is not None:
                app = (problem if post is None else of_unpublished(problem)).response()
            await app(scope, answer.receive, answer.send)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged
            log_unexpected(scope, error, has_begun=answer.has_begun)
            if not answer.is_complete:
                raise CutOffError from None
        finally:
            place.leave()

    def _enter(self, network: str, scope: Scope) -> tuple[Place, Problem | None]:
        """Take a place before any other work; return the problem as well if there is none."""
        if scope["path"].startswith(_ALWAYS):
            return self._in_flight.aside(), None
        place = self._in_flight.enter()
        if place is None:
            problem = unavailable("busy", "too many requests are in flight")
            return self._in_flight.aside(), problem
        if network != NOBODY:  # otherwise `admit` claims it, once the key is looked up
            try:
                place.claim(network)
            except Problem as refused:
                return place, refused
        return place, None


class _Answer:
    """A response being sent: adds the common headers, and counts bytes as held until the client has read them.

    Closing a connection while the client still sends would reset it and lose the response. So the unread rest of a
    body is read and dropped first; not of a chunked body, because no time limit applies to its trailers.
    """

    def __init__(
        self, scope: Scope, place: Place, receive: Receive, send: Send, *, has_body: bool
    ) -> None:
        """has_body: whether a body of known length is on its way."""
        self._scope = scope
        self._state = scope["state"]
        self._is_head = scope["method"] == "HEAD"
        self._place = place
        self._receive = receive
        self._send = send
        self._more = has_body
        self._start: Message | None = None
        self._ended = False
        self.has_begun = False
        self.is_complete = False

    async def receive(self) -> Message:
        """Receive a message; a disconnect once the response is complete."""
        return {"type": "http.disconnect"} if self._ended else await self._receive_more()

    async def _receive_more(self) -> Message:
        """Receive a message, and note whether the body is complete."""
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._more = False
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the response; the start goes with the first part, when the size is known.

        Raises: TimeoutError if the client reads nothing for too long.
        """
        if message["type"] == "http.response.start":
            self._start = message
        elif not self._ended:
            if self._start is not None:
                message = await self._begin(self._start, message)
            is_last = not message.get("more_body", False)
            if not is_last or len(message.get("body", b"")) > PIECE:
                await self._send_pieces(message)
            else:
                await self._send(message)
            self.is_complete = is_last

    async def _begin(self, start: Message, message: Message) -> Message:
        """Send the start, or that of a 503 if there is no room for the response; return the body message to send."""
        self._start = None
        size, more = len(message.get("body", b"")), message.get("more_body", False)
        if self._is_head:
            self._ended, message = True, {"type": "http.response.body", "body": b""}
        # A request whose body is held is always answered: it may have taken effect, and its bytes stay held until then.
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
        headers: list[Any] = start["headers"]
        names = {name for name, _ in headers}
        # A 429 has RateLimit headers of its own.
        own = [line for line in self._own_headers() if line[0] not in names]
        if self._more:
            # A slow sender holds no place meanwhile.
            self._place.leave()
            await self._drop_body()
            if self._more:
                own.append((b"connection", b"close"))
        start["headers"] = [*headers, *own]
        self.has_begun = True
        _observe(self._scope, start["status"])
        await self._send(start)
        return message

    def _own_headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers of every response: request id, server, and the key's rate."""
        rate: dict[str, str] = self._state.get("headers", {})
        return [
            (b"x-request-id", self._state["request_id"].encode()),
            _SERVER,
            *((name.lower().encode(), value.encode("latin-1")) for name, value in rate.items()),
        ]

    async def _drop_body(self) -> None:
        """Read and drop the rest of the body, within the limits of size and time for a body."""
        left = MAX_BATCH_BODY
        with suppress(TimeoutError):
            async with asyncio.timeout(self._place.seconds):
                while self._more and left > 0:
                    left -= len((await self._receive_more()).get("body", b""))

    async def _send_pieces(self, message: Message) -> None:
        """Send a part of the response in pieces, as the client reads them."""
        view, more = memoryview(message.get("body", b"")), message.get("more_body", False)
        for at in range(0, max(len(view), 1), PIECE):
            piece = {
                "type": message["type"],
                "body": bytes(view[at : at + PIECE]),
                "more_body": more or at + PIECE < len(view),
            }
            async with asyncio.timeout(3 * self._place.seconds):
                await self._send(piece)


def _observe(scope: Scope, status: int) -> None:
    """Record the time of a request by its route's path with its parameters' names; "none" if no route has its path."""
    route = scope.get("route")
    path = "none" if route is None else scope.get("root_path", "") + route.path
    method = scope["method"] if scope["method"] in _METHODS else "other"
    seconds = time.perf_counter() - scope["state"]["began"]
    HTTP_SECONDS.labels(method, path, status).observe(seconds)


class _Head(NamedTuple):
    """The headers that the middleware reads. has_length: whether a body of known length is on its way."""

    request_id: str
    codings: bytes
    has_length: bool
    authorization: str | None


def _look_at_headers(scope: Scope) -> _Head:
    """Read a request's headers once."""
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
    # Not a secret, so no cryptographic randomness.
    request_id = request_id or f"{random.getrandbits(128):032x}"
    return _Head(request_id, codings, has_length, authorization)
