"""A cheap HTTP load: prepared requests over keep-alive connections, one in flight per connection."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

END_OF_HEADERS = b"\r\n\r\n"


def make_request(path: str, body: bytes, key: str | None = None) -> bytes:
    """Encode one POST."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    return "\r\n".join(lines).encode() + END_OF_HEADERS + body


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the one before is here whole."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a socket's
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(END_OF_HEADERS)
        if not found:
            return
        at = head.lower().index(b"content-length:") + 15
        if len(rest) < int(head[at:].split(b"\r\n", 1)[0]):
            return
        self._buffer = b""
        self._load.answered(int(head[9:12]))
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost(exc)

    def _send(self) -> None:
        request = next(self._load.requests, None)
        assert self._transport is not None  # noqa: S101 - made
        if request is None:
            self._transport.close()
        else:
            self._transport.write(request)


class Load:
    """Requests sent over so many connections, and the statuses that came back."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        self.requests: Iterator[bytes] = iter(requests)
        self.statuses: Counter[int] = Counter()
        self._left = len(requests)
        self._done = asyncio.Event()

    def answered(self, status: int) -> None:
        """Count an answer."""
        self.statuses[status] += 1
        self._left -= 1
        if not self._left:
            self._done.set()

    def lost(self, error: Exception | None) -> None:
        """A connection ended; too early, the load will never be done."""
        if error is not None:
            self._done.set()

    async def send(self, port: int, connections: int) -> float:
        """Send all of it; seconds that it took."""
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        for _ in range(connections):
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", port)
        async with asyncio.timeout(120):
            await self._done.wait()
        if self._left:
            raise RuntimeError(f"{self._left} requests were not answered")
        return time.perf_counter() - began
