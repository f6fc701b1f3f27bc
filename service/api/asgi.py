"""A request and its answer in plain ASGI, for the two calls whose price counts: a framework costs more than they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from schemas.refusal import FieldError, Reason, Refusal, describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

_JSON = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder().encode


class Call:
    """One request. network_id: of the path. request_id: as Gate has it. traceparent: of our own span, or None."""

    __slots__ = ("_headers", "_query", "_receive", "network_id", "request_id", "traceparent")

    def __init__(self, scope: Scope, receive: Receive, network_id: str) -> None:
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self._query: bytes = scope["query_string"]
        self._receive = receive
        self.network_id = network_id
        self.request_id: str = scope["state"]["request_id"]
        self.traceparent: str | None = None

    def header(self, name: bytes) -> str | None:
        """Give a header by its name in lower case; of several the last."""
        found = self._headers.get(name)
        return None if found is None else found.decode("latin-1")

    def query(self, name: str) -> str | None:
        """Give a query parameter; of several the last."""
        if not self._query:
            return None
        found = parse_qs(self._query.decode("latin-1"), keep_blank_values=True).get(name)
        return found[-1] if found else None

    async def body(self, limit: int) -> bytes:
        """Read the body. Raises: Refusal (too_large), Problem when it takes too long."""
        said = self._headers.get(b"content-length", b"0")
        if said.isdigit() and int(said) > limit:
            raise _too_large(limit)
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            if len(body) > limit:
                raise _too_large(limit)
            return body
        parts, size = [body], len(body)
        while message.get("more_body", False):
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Refusal(Reason.NOT_JSON, "the body ends too early")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                raise _too_large(limit)
        return b"".join(parts)


def _too_large(limit: int) -> Refusal:
    error = FieldError("", f"the body must be at most {limit} bytes")
    return Refusal(Reason.TOO_LARGE, describe([error]), [error])


async def answer(send: Send, status: int, body: Any, headers: Mapping[str, str]) -> None:
    """Send JSON."""
    content = _encode(body)
    lines = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    lines += [_JSON, (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": content})
