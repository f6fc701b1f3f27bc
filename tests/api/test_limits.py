"""What one client, or a broker that is away, can't do to the others."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from service import connections
from service.api import asgi
from tests.api.client import api_running, said
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from service.settings import Settings
    from tests.api.client import Api

pytestmark = pytest.mark.stack


async def connect(api: Api) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = api.url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def begin(
    api: Api, length: int, path: str = "segments", network: str = "n"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the headers of a POST, and none of its body."""
    reader, writer = await connect(api)
    writer.write(
        f"POST /networks/{network}/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
        f"Authorization: Bearer {await api.key(network)}\r\n\r\n".encode()
    )
    await writer.drain()
    return reader, writer


async def test_slow_clients_hold_up_nobody_and_are_given_up(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "BODY_SECONDS", 60.0)
    slow = [await begin(api, 100) for _ in range(50)]
    waiting = [asyncio.ensure_future(reader.readline()) for reader, _ in slow]
    assert (await api.post(said())).status_code == 201
    assert not any(line.done() for line in waiting)
    for line, (_, writer) in zip(waiting, slow, strict=True):
        line.cancel()
        writer.close()
    monkeypatch.setattr(asgi, "BODY_SECONDS", 1.0)
    for reader, writer in [await begin(api, 100) for _ in range(50)]:
        assert b" 408 " in await reader.readline()
        writer.close()


@pytest.mark.parametrize("path", ["segments", "segments/batch", "admin/segments"])
async def test_a_body_that_does_not_come_is_refused(
    api: Api, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.2)
    reader, writer = await begin(api, 100, path)
    writer.write(b"{")
    assert b" 408 " in await reader.readline()
    writer.close()


@pytest.mark.parametrize("dribble", [b"", b"x"], ids=["silent", "dribbling"])
async def test_who_sends_no_whole_head_is_cut_off(
    ready: Settings, monkeypatch: pytest.MonkeyPatch, dribble: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 1.0)
    async with api_running(ready) as api:
        began = time.monotonic()
        reader, writer = await connect(api)
        # The second request of a connection too.
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" if dribble else b"")
        if dribble:
            await reader.readuntil(b"}")
        writer.write(b"GET /" if dribble else b"")
        async with asyncio.timeout(PATIENCE):
            while not reader.at_eof():
                writer.write(dribble)
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.1):
                        assert await reader.read(1) == b""
        assert time.monotonic() - began > 0.8
        writer.close()


async def test_a_head_without_end_is_cut_off(api: Api) -> None:
    reader, writer = await connect(api)
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n")
    with suppress(ConnectionError):
        for _ in range(100):
            writer.write(b"X-Long: " + b"x" * 8192 + b"\r\n")
            await writer.drain()
        assert await reader.read() == b""
    writer.close()
    # Many headers, within the bound, are none of our business.
    many = {f"X-{n}": "x" * 100 for n in range(100)}
    assert (await api.client.get("/health/live", headers=many)).status_code == 200


async def test_a_body_that_comes_in_pieces_is_put_together(api: Api) -> None:
    body = json.dumps(said(description="é" * 4000)).encode()
    reader, writer = await begin(api, len(body))
    for at in range(0, len(body), 4096):
        writer.write(body[at : at + 4096])
        await writer.drain()
        await asyncio.sleep(0)
    assert b" 201 " in await reader.readline()
    writer.close()


async def fill(api: Api, networks: str, probe: str) -> list[asyncio.StreamWriter]:
    """Begin requests until one of network `probe` is refused: a probe may itself have had one's place."""
    waiting: list[asyncio.StreamWriter] = []
    while not waiting or not await is_busy(api, probe):
        waiting += [(await begin(api, 100, network=network))[1] for network in networks.split()]
        assert len(waiting) < 1000
    return waiting


async def test_more_requests_than_may_be_in_flight_get_503_at_once(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "BODY_SECONDS", 60.0)
    async with api_running(ready.model_copy(update={"http_in_flight": 3})) as api:
        waiting = await fill(api, "k l m", "n")
        for path in ("/health/live", "/metrics"):
            assert (await api.client.get(path)).status_code == 200
        read = await api.call("GET", "/networks/n/sizes")
        assert (read.status_code, "published" in read.json()) == (503, False)
        for writer in waiting:
            writer.close()
        await holds(lambda: takes(api))


async def test_the_slow_clients_of_one_network_hold_up_no_other(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than its share of places it never has: half of the six."""
    monkeypatch.setattr(asgi, "BODY_SECONDS", 60.0)
    async with api_running(ready.model_copy(update={"http_in_flight": 6})) as api:
        waiting = await fill(api, "other", "other")
        assert (await api.post(said())).status_code == 201
        assert (await api.call("GET", "/networks/n/sizes")).status_code == 200
        read = await api.call("GET", "/networks/other/sizes", network="other")
        assert (read.status_code, "published" in read.json()) == (503, False)
        for writer in waiting:
            writer.close()
        await holds(lambda: is_read(api, "other"))


async def is_read(api: Api, network: str) -> bool:
    path = f"/networks/{network}/sizes"
    return (await api.call("GET", path, network=network)).status_code == 200


async def is_busy(api: Api, network: str = "n") -> bool:
    answer = await api.post(said(), network)
    return answer.status_code == 503 and answer.json()["published"] == "no"


async def takes(api: Api) -> bool:
    return (await api.post(said())).status_code == 201
