"""A transaction pooler like PgBouncer: each transaction uses another session of the server than the last."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from service.postgres.database import database_url
from service.runtime.secret import SecretStr

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings

SSL_REQUEST, CANCEL_REQUEST = 80877103, 80877102
SESSIONS = 5
# The startup parameters that PgBouncer tracks or ignores; it refuses others.
KNOWN = {b"user", b"database", b"client_encoding", b"application_name", b"datestyle", b"timezone"}
# Each of these is answered by one ReadyForQuery: Query, Sync, FunctionCall.
ASKS = b"QSF"


class _Session:
    """One idle session on the server. greeting: its parameters and key, for clients."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, greeting: bytes
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.greeting = greeting


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one message: its type, and all of it."""
    head = await reader.readexactly(5)
    (length,) = struct.unpack("!I", head[1:])
    return head[:1], head + await reader.readexactly(length - 4)


class Pooler:
    """Serves any number of clients from a few sessions, the longest idle first."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._idle: deque[_Session] = deque()
        self._opened: list[_Session] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.transactions = 0
        self.refused: list[bytes] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for session in self._opened:
            session.writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            startup = await reader.readexactly(length - 4)
            (code,) = struct.unpack("!I", startup[:4])
            if code == CANCEL_REQUEST:
                return
            if code != SSL_REQUEST:
                break
            writer.write(b"N")
        names = startup[4:].split(b"\0")[0:-2:2]
        odd = [name for name in names if name not in KNOWN]
        if odd:
            self.refused += odd
            text = b"SFATAL\0C08P01\0Munsupported startup parameter: " + odd[0] + b"\0\0"
            writer.write(b"E" + struct.pack("!I", len(text) + 4) + text)
            await writer.drain()
            return
        session = await self._take(startup)
        self._idle.append(session)
        writer.write(b"R\0\0\0\x08\0\0\0\0" + session.greeting + b"Z\0\0\0\x05I")
        inbox: deque[tuple[bytes, bytes]] = deque()
        filled = asyncio.Event()
        reading = asyncio.create_task(self._read(reader, inbox, filled))
        try:
            while True:
                await filled.wait()
                if inbox[0][0] == b"X":
                    return
                session = await self._take(startup)
                await self._transaction(session, writer, inbox, filled)
                self._idle.append(session)
        finally:
            reading.cancel()

    async def _read(
        self, reader: asyncio.StreamReader, inbox: deque[tuple[bytes, bytes]], filled: asyncio.Event
    ) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                inbox.append(await _message(reader))
                filled.set()
        inbox.append((b"X", b""))  # disconnected without Terminate
        filled.set()

    async def _take(self, startup: bytes) -> _Session:
        if self._idle and len(self._opened) >= SESSIONS:
            return self._idle.popleft()
        reader, writer = await asyncio.open_connection(*self._target)
        writer.write(struct.pack("!I", len(startup) + 4) + startup)
        greeting = b""
        while True:
            kind, message = await _message(reader)
            assert kind in b"RSKZN", message
            if kind == b"R":
                assert message[5:9] == b"\0\0\0\0", "only `trust` is supported"
            if kind in b"SK":
                greeting += message
            if kind == b"Z":
                break
        session = _Session(reader, writer, greeting)
        self._opened.append(session)
        return session

    async def _transaction(
        self,
        session: _Session,
        writer: asyncio.StreamWriter,
        inbox: deque[tuple[bytes, bytes]],
        filled: asyncio.Event,
    ) -> None:
        """Pass messages both ways until the server is idle and no request is pending."""
        self.transactions += 1
        pending = 0

        async def forward() -> None:
            nonlocal pending
            while True:
                await filled.wait()
                kind, message = inbox.popleft()
                if not inbox:
                    filled.clear()
                if kind == b"X":
                    session.writer.transport.abort()  # ends the other direction too
                    return
                pending += kind in ASKS
                session.writer.write(message)
                await session.writer.drain()

        forwarding = asyncio.create_task(forward())
        try:
            while True:
                kind, message = await _message(session.reader)
                writer.write(message)
                await writer.drain()
                if kind == b"Z":
                    pending -= 1
                    if pending == 0 and message[5:6] == b"I":
                        return
        except BaseException:
            session.writer.transport.abort()
            self._opened.remove(session)
            raise
        finally:
            forwarding.cancel()


@asynccontextmanager
async def pooled(settings: Settings) -> AsyncIterator[tuple[Pooler, Settings]]:
    """Run a pooler in front of the settings' database; yield it and settings that use it."""
    parts = urlsplit(database_url(settings))
    pooler = Pooler(parts.hostname or "127.0.0.1", parts.port or 5432)
    await pooler.start()
    login = parts.netloc.rpartition("@")[0]
    through = parts._replace(
        netloc=f"{login + '@' if login else ''}127.0.0.1:{pooler.port}"
    ).geturl()
    try:
        yield (
            pooler,
            settings.model_copy(
                update={"database_url": SecretStr(through), "database_pooler": "transaction"}
            ),
        )
    finally:
        await pooler.stop()
