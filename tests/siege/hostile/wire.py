"""HTTP written by hand: what a hostile client sends is no library's idea of a request."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.siege.hostile.target import Siege

END = b"\r\n\r\n"
ANSWER_SECONDS = 40.0


@asynccontextmanager
async def connection(
    siege: Siege,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection to the API; at the end it is dropped, whatever is on its way."""
    reader, writer = await asyncio.open_connection("127.0.0.1", siege.target.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def request(
    method: str, path: str, body: bytes = b"", key: str | None = None, **headers: str
) -> bytes:
    """Write a request; underscores in the names of headers stand for hyphens."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    if body:
        headers = {"Content_Type": "application/json", "Content_Length": str(len(body))} | headers
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + END + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read an answer to its end; gives status and body (of a chunked one the first chunk)."""
    async with asyncio.timeout(ANSWER_SECONDS):
        head = (await reader.readuntil(END)).lower()
        status = int(head.split(None, 2)[1])
        _, found, rest = head.partition(b"content-length:")
        if found:
            return status, await reader.readexactly(int(rest.split(b"\r\n", 1)[0]))
        return status, await reader.read(65_536)


async def repeat(siege: Siege, make: Any, clients: int, pause: float = 0.0) -> None:
    """Send requests without end over so many connections, each with one in flight; `make` gives the next one."""

    async def client() -> None:
        while True:
            try:
                async with connection(siege) as (reader, writer):
                    while True:
                        writer.write(make())
                        status, _ = await answer(reader)
                        siege.tally[f"answered {status}"] += 1
                        await asyncio.sleep(pause)
            except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
                siege.tally[type(error).__name__] += 1
                await asyncio.sleep(0.2)

    async with asyncio.TaskGroup() as clients_running:
        for _ in range(clients):
            clients_running.create_task(client())


def command(siege: Siege, **fields: Any) -> bytes:
    """Write a command of the hostile network, without its network_id."""
    given = {"user": f"u{siege.rng.randrange(500)}", "segment_id": 3, "user_status": "add"} | fields
    return json.dumps(given).encode()
