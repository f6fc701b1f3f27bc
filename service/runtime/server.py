"""Serving an ASGI app while a block runs: the HTTP API, and the health endpoint of a process.

The server is granian: hyper's parser bounds heads, trailers and idle time, on a thread of its own
(docs/decisions/0035-http-is-served-by-granian.md).
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from service.runtime.errors import AddressError
from service.runtime.idle_connections import close_idle_connections
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from service.runtime.idle_connections import Peer

log = get_logger("serving")
# The maximum size of a request head, and of the unread part of a body per connection.
HEAD_BYTES = 32 * 1024
BACKLOG = 1024
# Descriptors reserved for Postgres, Kafka and files.
DESCRIPTORS_LEFT = 128
# The time that requests in progress have to finish at a stop.
STOP_SECONDS = 10.0


class CutOffError(Exception):
    """Ends a response without its last part, so that the client notices. The app has logged why."""


def _is_unlogged(record: logging.LogRecord) -> bool:
    return CutOffError.__name__ not in record.getMessage()


logging.getLogger("_granian.utils").addFilter(_is_unlogged)


class _Server(Server):
    """granian on an existing socket. A socket of its own would silently share the port with another process."""

    def __init__(self, listening: socket.socket, app: ASGIApp, **options: Any) -> None:
        super().__init__(
            app,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            log_level=LogLevels.error,
            log_dictconfig={"handlers": {}, "loggers": {"_granian": {"propagate": True}}},
            **options,
        )
        self._listening = listening

    def _init_shared_socket(self) -> None:
        # Private, for lack of a public way (emmett-framework/granian#786); a test fails if granian changes it.
        # granian closes the socket that it gets. Its stubs lack these arguments and this attribute.
        backlog = (BACKLOG,) if sys.platform == "linux" else ()
        holder: Any = SocketHolder
        self._shd: Any = holder(self._listening.detach(), False, *backlog)  # noqa: FBT003 - no socket of Unix


class _Tasks:
    """Wraps an app and tracks its requests in progress."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # Each request with the peer of its connection.
        self.running: dict[asyncio.Task[Any], Peer] = {}
        # Requests that wait for more of the body. They are as idle as a connection that waits for the next head.
        self._waiting: set[asyncio.Task[Any]] = set()

    def peers(self) -> set[Peer]:
        """Return the peers with requests in progress."""
        return {peer for task, peer in self.running.items() if task not in self._waiting}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - the server runs it as one
        address, port = scope["client"]
        self.running[task] = address, int(port)

        async def receive_idly() -> Message:
            # A framework may wait for a disconnect in another task while this one works.
            if asyncio.current_task() is not task:
                return await receive()
            self._waiting.add(task)
            try:
                return await receive()
            finally:
                self._waiting.discard(task)

        try:
            await self._app(scope, receive_idly, send)
        finally:
            del self.running[task]


@asynccontextmanager
async def serving(
    app: ASGIApp, host: str, port: int, *, seconds: float, connections: int
) -> AsyncIterator[int]:
    """Serve on host and port while the block runs; port 0: a free one. Yields the port.

    At the end, requests in progress are finished first, within STOP_SECONDS. seconds: the time limit for a complete
    request head; three times as long applies to a client that reads nothing of a response. connections: the maximum
    number of open connections, bounded by the descriptors; further ones wait to be accepted, and idle ones are closed
    earlier.
    Raises: AddressError if the address is not available.
    """
    listening = _listen(host, port, 3 * seconds)
    port = listening.getsockname()[1]
    counted = _Tasks(app)
    bound = min(connections, _connections_possible(connections))
    server = _Server(
        listening,
        counted,
        backpressure=bound,
        http1_settings=HTTP1Settings(
            header_read_timeout=int(seconds * 1000), max_buffer_size=HEAD_BYTES
        ),
    )
    stopping = False

    async def serve() -> None:
        await server.serve()
        if not stopping:
            raise RuntimeError(f"the HTTP server on {host}:{port} ended by itself")

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(serve(), name=f"serve {port}")
        closing = tasks.create_task(
            close_idle_connections(port, bound, counted.peers), name=f"close idle {port}"
        )
        try:
            yield port
        finally:
            stopping = True
            closing.cancel()
            server.stop()  # type: ignore[no-untyped-call]
            await asyncio.wait([task], timeout=STOP_SECONDS)
            if not task.done():
                log.warning("requests aborted at shutdown", requests=len(counted.running))
                for request in counted.running:
                    request.cancel()
                task.cancel()


def _connections_possible(wanted: int) -> int:
    """Return the number of connections that the descriptors allow, after raising the limit as far as possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + DESCRIPTORS_LEFT
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < needed:
            log.warning("file descriptor limit reduces connections", limit=soft, wanted=needed)
        return max(soft - DESCRIPTORS_LEFT, soft // 2)
    return wanted


def _listen(host: str, port: int, unread_seconds: float) -> socket.socket:
    """Listen. Accepted connections inherit the options.

    Without TCP_NODELAY a response body would wait 40 ms for the client to acknowledge the headers.
    unread_seconds: the kernel drops a connection whose client has read nothing of a response for so long.
    """
    try:
        listening = socket.create_server(
            (host, port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=BACKLOG,
        )
    except OSError as error:
        raise AddressError(f"({host}:{port}: {error.strerror})") from error
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        listening.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(unread_seconds * 1000)
        )
    return listening
