"""A request and its answer in plain ASGI, for the two calls whose price counts: a framework costs more than they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from schemas.refusal import FieldError, Reason, Refusal, describe
from service.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

_JSON = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder().encode


class Call:
    """One request. network_id: of the path. request_id: as Gate has it. traceparent: of our own span, or None."""

    __slots__ = (
        "_headers",
        "_query",
        "_receive",
        "_sent",
        "_state",
        "network_id",
        "request_id",
        "traceparent",
    )

    def __init__(self, scope: Scope, receive: Receive, network_id: str) -> None:
        # Of several with one name the first, as the framework has it.
        self._headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        self._sent = scope["headers"]
        self._state = scope["state"]
        self._query: bytes = scope["query_string"]
        self._receive = receive
        self.network_id = network_id
        self.request_id: str = self._state["request_id"]
        self.traceparent: str | None = None

    def answers_with(self, headers: Mapping[str, str]) -> None:
        """Have the answer carry headers, whatever it is; see Gate."""
        self._state["headers"] = headers

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

    def _check_not_encoded(self) -> None:
        """Refuse a body of any Content-Encoding but `identity`. Raises: Problem 415 (RFC 9110, section 15.5.16)."""
        said = b",".join(value for name, value in self._sent if name == b"content-encoding")
        if any(one.strip().lower() not in (b"", b"identity") for one in said.split(b",")):
            detail = "bodies are read as they stand: send it without Content-Encoding"
            headers = {"Accept-Encoding": "identity"}
            raise Problem(415, "unsupported_encoding", detail, headers=headers)

    async def body(self, limit: int) -> bytes:
        """Read the body. Raises: Refusal (too_large), Problem when it takes too long or is encoded."""
        if b"content-encoding" in self._headers:
            self._check_not_encoded()
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


async def answer(
    send: Send, status: int, body: Any, headers: Mapping[str, str] | None = None
) -> None:
    """Send JSON. headers: beside those of `Call.answers_with`."""
    content = _encode(body)
    lines = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    lines += [_JSON, (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": content})
