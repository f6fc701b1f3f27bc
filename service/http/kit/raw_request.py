"""A request and its answer in plain ASGI, for the two calls whose price counts: a framework costs more than they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from schemas.command.refusal import FieldError, Reason, Refusal, describe
from service.http.kit.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.types import Message, Receive, Scope, Send

    from service.http.kit.deadlines import Deadlines
    from service.http.kit.in_flight import Place

MAX_BODY = 64 * 1024
MAX_BATCH_BODY = 4 * 1024 * 1024
# Said in place of the server's own name.
_SERVER = (b"server", b"segments")
_JSON = (b"content-type", b"application/json")
# An answer is sent in pieces of so many bytes at most: only as the client takes one does the server get the next.
PIECE = 16 * 1024
# What the server keeps of an answer that its client does not take.
WINDOW = 8 * PIECE
_encode = msgspec.json.Encoder().encode


class Call:
    """One request. network_id: of the path. request_id: as Gate has it. traceparent: of our own span, or None.

    state: as scope["state"] has it.
    """

    __slots__ = ("_deadlines", "_headers", "_query", "_receive", "_send", "_sent",
                 "network_id", "request_id", "state", "traceparent")  # fmt: skip

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, network_id: str, deadlines: Deadlines
    ) -> None:
        # Of several with one name the first, as the framework has it.
        self._headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        self._sent = scope["headers"]
        self.state = scope["state"]
        self._query: bytes = scope["query_string"]
        self._receive = receive
        self._send = send
        self._deadlines = deadlines
        self.network_id = network_id
        self.request_id: str = self.state["request_id"]
        self.traceparent: str | None = None

    def header(self, name: bytes) -> str | None:
        """Give a header by its name in lower case; of several the first."""
        found = self._headers.get(name)
        return None if found is None else found.decode("latin-1")

    def is_repeated(self, name: bytes) -> bool:
        """Whether a header was sent more than once."""
        return name in self._headers and sum(sent == name for sent, _ in self._sent) > 1

    def query(self) -> dict[str, list[str]]:
        """Give the query parameters, each with all its values."""
        if not self._query:
            return {}
        return parse_qs(self._query.decode("latin-1"), keep_blank_values=True)

    async def body(self, limit: int) -> bytes:
        """Read the body of what publishes. Raises: as `check_head` and `read_whole`; Problem 408."""
        check_head(self._sent, limit)
        place: Place = self.state["place"]
        try:
            with self._deadlines.within(place.seconds):
                return await read_whole(self._receive, limit, place, "no")
        except TimeoutError:
            raise too_slow(place, "no") from None

    async def answer(
        self, status: int, body: Any, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send JSON. headers: beside those of `own_headers`."""
        content = _encode(body)
        lines = [_JSON, (b"content-length", b"%d" % len(content))]
        if headers:
            lines += encoded(headers)
        lines += own_headers(self.state)
        await self._send({"type": "http.response.start", "status": status, "headers": lines})
        message = {"type": "http.response.body", "body": content}
        if len(content) <= PIECE:
            await self._send(message)
        else:
            # What the request's body holds is held until its answer is taken, and more than the answer.
            await send_pieces(self._send, message, self._deadlines, self.state["place"])


async def send_pieces(send: Send, message: Message, deadlines: Deadlines, place: Place) -> None:
    """Send a part of an answer as its client takes it. Raises: TimeoutError where it takes nothing for too long."""
    body: bytes = message.get("body", b"")
    more = message.get("more_body", False)
    view = memoryview(body)
    for at in range(0, max(len(body), 1), PIECE):
        last = at + PIECE >= len(body)
        with deadlines.within(3 * place.seconds):
            piece = bytes(view[at : at + PIECE])
            await send({"type": message["type"], "body": piece, "more_body": more or not last})


def own_headers(state: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """Give what every answer to a request carries: its id, and what is to be said of its key's rate."""
    return [
        (b"x-request-id", state["request_id"].encode()),
        _SERVER,
        *encoded(state.get("headers", {})),
    ]


def encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Write headers as ASGI has them."""
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


def check_head(headers: Iterable[tuple[bytes, bytes]], limit: int) -> None:
    """Refuse a body by its headers. Raises: Refusal (too_large), Problem 415 (RFC 9110, section 15.5.16)."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise _too_large(limit)
        if name == b"content-encoding":
            for coding in value.split(b","):
                if coding.strip().lower() not in (b"", b"identity"):
                    raise _encoded_body()


async def read_whole(
    receive: Receive, limit: int, place: Place, published: str | None = None
) -> bytes:
    """Read a body of at most so many bytes, which its place holds as they come. published: as Problem has it.

    Raises: Refusal (too_large; not_json where it ends too early), Problem 503.
    """
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(Reason.NOT_JSON, "the body ends too early")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        if part:
            place.hold(len(part), published)
            parts.append(part)
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> Refusal:
    error = FieldError("", f"the body must be at most {limit} bytes")
    return Refusal(Reason.TOO_LARGE, describe([error], whole=""), [error])


def _encoded_body() -> Problem:
    detail = "bodies are read as they stand: send it without Content-Encoding"
    return Problem(415, "unsupported_encoding", detail, headers={"Accept-Encoding": "identity"})


def too_slow(place: Place, published: str | None = None) -> Problem:
    """408: the body was not here in time. published: as Problem has it."""
    detail = f"the body was not here within {place.seconds:g} s"
    return Problem(408, "timeout", detail, published=published)
