"""A request and its answer in plain ASGI, for the two calls whose price counts: a framework costs more than they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from schemas.refusal import FieldError, Reason, Refusal, describe
from service.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.types import Receive, Scope, Send

    from service.deadlines import Deadlines

_JSON = (b"content-type", b"application/json")
# A body that is not here after so long is refused.
BODY_SECONDS = 10.0
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
        """Read the body. Raises: as `check_head` and `read_whole`; Problem 408."""
        check_head(self._sent, limit)
        try:
            with self._deadlines.within(BODY_SECONDS):
                return await read_whole(self._receive, limit)
        except TimeoutError:
            raise too_slow() from None

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
        await self._send({"type": "http.response.body", "body": content})


def own_headers(state: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """Give what every answer to a request carries: its id, and what is to be said of its key's rate."""
    return [(b"x-request-id", state["request_id"].encode()), *encoded(state.get("headers", {}))]


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


async def read_whole(receive: Receive, limit: int) -> bytes:
    """Read a body of at most so many bytes. Raises: Refusal (too_large; not_json where it ends too early)."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if len(body) <= limit and not message.get("more_body", False):
        return body
    parts, size = [body], len(body)
    while size <= limit and message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(Reason.NOT_JSON, "the body ends too early")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > limit:
        raise _too_large(limit)
    return b"".join(parts)


def _too_large(limit: int) -> Refusal:
    error = FieldError("", f"the body must be at most {limit} bytes")
    return Refusal(Reason.TOO_LARGE, describe([error], whole=""), [error])


def _encoded_body() -> Problem:
    detail = "bodies are read as they stand: send it without Content-Encoding"
    return Problem(415, "unsupported_encoding", detail, headers={"Accept-Encoding": "identity"})


def too_slow() -> Problem:
    """408: the body was not here in time."""
    return Problem(408, "timeout", f"the body was not here within {BODY_SECONDS:.0f} s")
