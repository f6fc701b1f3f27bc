"""A TCP proxy that can cut connections, refuse them, or swallow what is sent."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from service.postgres.database import database_url
from service.runtime.secret import SecretStr

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings


class Proxy:
    """Passes bytes to host:port.

    port: its own port. refused, withheld: the numbers of connections and pieces so far.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.refused = 0
        self.withheld = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    def refuse(self) -> None:
        """Reset every connection, and each new one."""
        self._refusing = True
        self.cut()

    def swallow(self) -> None:
        """Pass nothing on from now on; connections stay open, as behind a dead router."""
        self._flowing.clear()

    def lead_to(self, host: str, port: int) -> None:
        """Connect to another server from now on."""
        self._target = (host, port)

    def mend(self) -> None:
        """Work again, and pass on what was swallowed, as TCP would by retransmission."""
        self._refusing = False
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self._refusing:
                self.refused += 1
                writer.transport.abort()
                return
            # asyncio's streams would log a task that was cancelled.
            with suppress(OSError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, upstream_writer}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass(reader, upstream_writer))
                tasks.create_task(self._pass(upstream_reader, writer))
        finally:
            self._writers -= {writer, upstream_writer}
            upstream_writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                self.withheld += not self._flowing.is_set()
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        # The end of either side ends both.
        for other in list(self._writers):
            if other is writer:
                other.transport.abort()


@asynccontextmanager
async def database_proxy(settings: Settings) -> AsyncIterator[tuple[Proxy, Settings]]:
    """Run a proxy in front of the settings' database; yield it and settings that use it."""
    url = database_url(settings)
    parts = urlsplit(url)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 5432)
    await proxy.start()
    try:
        login = parts.netloc.rpartition("@")[0]
        through = parts._replace(
            netloc=f"{login + '@' if login else ''}127.0.0.1:{proxy.port}"
        ).geturl()
        yield proxy, settings.model_copy(update={"database_url": SecretStr(through)})
    finally:
        await proxy.stop()
