"""Connections that are slow, idle, without end, or never read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.siege.hostile.requests import MEMBERS, POST
from tests.siege.hostile.target import BREACH, attacks
from tests.siege.hostile.wire import END, answer, command, connection, request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.siege.hostile.target import Siege

    Act = Callable[[Siege, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

MANY = 150
_TRAILER_BYTES = 40 * 2**20


async def _hold(siege: Siege, act: Act, count: int = MANY) -> None:
    """Do this on so many connections, again and again."""

    async def one() -> None:
        while True:
            try:
                async with connection(siege) as (reader, writer):
                    siege.tally["opened"] += 1
                    await act(siege, reader, writer)
            except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
                siege.tally[type(error).__name__] += 1
            await asyncio.sleep(0.5)

    async with asyncio.TaskGroup() as held:
        for _ in range(count):
            held.create_task(one())


async def _dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes) -> None:
    """Send a byte each second, until the other side has had enough."""
    for at in range(len(text)):
        if reader.at_eof() or writer.transport.is_closing():
            return
        writer.write(text[at : at + 1])
        await asyncio.sleep(1)


@attacks("opened")
async def slow_heads(siege: Siege) -> None:
    """Heads, a byte each second."""
    head = request("GET", "/health/live", X_Long="x" * 1000)
    await _hold(siege, lambda _, reader, writer: _dribble(reader, writer, head))


@attacks("opened")
async def slow_bodies(siege: Siege) -> None:
    """Bodies of commands and of batches, a byte each second."""

    async def act(siege: Siege, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = siege.rng.choice((POST, f"{POST}/batch"))
        whole = request("POST", path, command(siege, description="x" * 500), siege.target.key)
        head, _, body = whole.partition(END)
        writer.write(head + END)
        await _dribble(reader, writer, body)

    await _hold(siege, act)


@attacks("opened")
async def idle(siege: Siege) -> None:
    """Nothing more after an answer, or one byte more."""

    async def act(siege: Siege, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request("GET", "/health/live"))
        await answer(reader)
        writer.write(siege.rng.choice((b"", b"G")))
        await reader.read()

    await _hold(siege, act)


@attacks("opened")
async def trailers(siege: Siege) -> None:
    """Chunked bodies whose trailers have no end."""

    async def act(siege: Siege, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request("POST", POST, key=None, Transfer_Encoding="chunked") + b"0\r\n")
        for number in range(_TRAILER_BYTES // 8000):
            writer.write(b"X-%d: %s\r\n" % (number, b"x" * 8000))
            await writer.drain()
            if reader.at_eof() or writer.transport.is_closing():
                return
            await asyncio.sleep(0.002)
        siege.tally[f"{BREACH} trailers without end are taken"] += 1

    await _hold(siege, act, 4)


@attacks("opened")
async def upgrades(siege: Siege) -> None:
    """Upgrades with a body that is a request: it must not be answered."""

    async def act(siege: Siege, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = request("GET", "/health/live")
        writer.write(
            request(
                "POST", POST, key=siege.target.key, Connection="Upgrade", Upgrade="websocket",
                Content_Length=str(len(inner)),
            )
        )  # fmt: skip
        await asyncio.sleep(0.1)
        writer.write(inner)
        async with asyncio.timeout(20):
            answer = await reader.read(65_536)
            answer += await reader.read(65_536)
        if answer.count(b"HTTP/1.1 ") > 1:
            siege.tally[f"{BREACH} a body is read as a request"] += 1

    await _hold(siege, act, 16)


@attacks("opened")
async def unread(siege: Siege) -> None:
    """Asks for all members again and again, and reads nothing of it."""

    async def act(siege: Siege, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        whole = request("GET", MEMBERS, key=siege.target.key, Accept="application/x-ndjson")
        writer.write(whole * 20)
        await asyncio.sleep(45)

    await _hold(siege, act, 50)
