"""Serving an ASGI app while a block runs: the HTTP API, and the health endpoint of a process.

The server is granian: hyper's parser bounds heads, trailers and idle time, on a thread of its own
(docs/decisions/0035-http-is-served-by-granian.md).
"""

from __future__ import annotations

import asyncio
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
# A head is refused when it is longer; so much of a body may wait in each connection for the app to take it.
HEAD_BYTES = 32 * 1024
BACKLOG = 1024
# Descriptors that are left for Postgres, Kafka and files.
DESCRIPTORS_LEFT = 128
# At a stop, requests under way get so long to end.
STOP_SECONDS = 10.0


class _Server(Server):
    """granian on a socket that is given: its own would share its port with another process' without a word."""

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
        # Private, as it has no public way (emmett-framework/granian#786); a test fails where granian changes it.
        # What granian is given it closes. Its stubs know neither the arguments nor what is set here.
        backlog = (BACKLOG,) if sys.platform == "linux" else ()
        holder: Any = SocketHolder
        self._shd: Any = holder(self._listening.detach(), False, *backlog)  # noqa: FBT003 - no socket of Unix


class _Tasks:
    """An app whose requests under way are known."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # Each with whose connection it came over.
        self.running: dict[asyncio.Task[Any], Peer] = {}
        # Those that wait for more of a body: as idle as a connection that waits for the next head.
        self._waiting: set[asyncio.Task[Any]] = set()

    def peers(self) -> set[Peer]:
        """Give for whom something is done."""
        return {peer for task, peer in self.running.items() if task not in self._waiting}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - the server runs it as one
        address, port = scope["client"]
        self.running[task] = address, int(port)

        async def receive_idly() -> Message:
            # A framework may listen for a disconnect in another task, while this one works.
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
    """Serve on host and port while the block runs; port 0: a free one. Gives the port.

    Requests under way at the end are finished first, within STOP_SECONDS. seconds: a connection is closed when the next
    head is not here whole after so long, or its client takes nothing of an answer for three times as long.
    connections: that are open at once, or as many as there are descriptors for; further ones wait to be accepted, and
    idle ones are closed before that.
    Raises: AddressError when nobody can listen there.
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
                log.warning("requests are given up", requests=len(counted.running))
                for request in counted.running:
                    request.cancel()
                task.cancel()


def _connections_possible(wanted: int) -> int:
    """Give how many connections there are descriptors for, after asking for as many as it takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + DESCRIPTORS_LEFT
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < needed:
            log.warning("few descriptors: fewer connections are taken", limit=soft, wanted=needed)
        return max(soft - DESCRIPTORS_LEFT, soft // 2)
    return wanted


def _listen(host: str, port: int, unread_seconds: float) -> socket.socket:
    """Listen. Whoever is accepted inherits the options.

    Without TCP_NODELAY an answer's body would wait 40 ms for the client to acknowledge its headers.
    unread_seconds: the kernel gives up a connection of whose answer nothing was taken for so long.
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
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux has it
        listening.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(unread_seconds * 1000)
        )
    return listening
