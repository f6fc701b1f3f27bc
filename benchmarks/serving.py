"""An HTTP server as a real process on a free port."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from benchmarks.load import NETWORK
from benchmarks.processes import SEGMENTS
from stack.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.world import World


@asynccontextmanager
async def serving(world: World, *command: str, key: str | None = None) -> AsyncIterator[int]:
    """Run an HTTP server on a free port while the block runs; yields the port."""
    port = free_port()
    more: dict[str, Any] = {
        "SEGMENTS_HTTP_PORT": str(port),
        "SEGMENTS_HTTP_RATE_LIMIT": "99999999/second",
        "SEGMENTS_SIGNING_KEY": "the benchmark's signing key, of no use elsewhere",
    }
    arguments = command if key is not None else (*command, str(port))
    process = await asyncio.create_subprocess_exec(
        *arguments, env=world.environment | more,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await _until_ready(port, "/health/ready" if key is not None else "/")
        yield port
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def calling_api(world: World, key: str) -> AsyncIterator[httpx.AsyncClient]:
    """Run the API while the block runs; yields a client of the network with this key."""
    async with (
        serving(world, SEGMENTS, "api", key=key) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/networks/{NETWORK}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=120,
        ) as client,
    ):
        yield client


async def _until_ready(port: int, path: str) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
                )
                status = (await reader.readline()).split()[1]
                writer.close()
                if status in (b"200", b"404"):
                    return
            except OSError:
                pass
            await asyncio.sleep(0.05)
