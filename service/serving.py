"""Serving an ASGI app while a block runs: the HTTP API, and the health endpoint of a process."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from service.connections import Connection
from service.errors import AddressError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: only the command line handles signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


@asynccontextmanager
async def serving(app: Any, host: str, port: int, **options: Any) -> AsyncIterator[int]:
    """Serve on host and port while the block runs; port 0: a free one. Gives the port.

    Requests under way at the end are finished first. options: of uvicorn.
    Raises: AddressError when nobody can listen there.
    """
    listening = _listen(host, port)
    config = uvicorn.Config(
        app,
        http=Connection,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        **options,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]), name=f"serve {port}")
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listening.close()


def _listen(host: str, port: int) -> socket.socket:
    """Listen. Without TCP_NODELAY an answer's body would wait 40 ms for the client to acknowledge its headers."""
    try:
        listening = socket.create_server(
            (host, port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=1024,
        )
    except OSError as error:
        raise AddressError(f"({host}:{port}: {error.strerror})") from error
    # Whoever is accepted inherits it; asyncio sets it only where the socket names its protocol, which this does not.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
