"""What one client, or a broker that is away, can't do to the others."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from tests.http.client import api_running, command_body
from tests.support.waiting import holds

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from tests.http.client import Api

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


async def test_slow_clients_hold_up_nobody_and_are_given_up(ready: Settings) -> None:
    async with api_running(ready.model_copy(update={"http_timeout_seconds": 60.0})) as api:
        slow = [await begin(api, 100) for _ in range(50)]
        waiting = [asyncio.ensure_future(reader.readline()) for reader, _ in slow]
        assert (await api.post(command_body())).status_code == 201
        assert not any(line.done() for line in waiting)
        for line, (_, writer) in zip(waiting, slow, strict=True):
            line.cancel()
            writer.close()
    async with api_running(ready.model_copy(update={"http_timeout_seconds": 1.0})) as api:
        for reader, writer in [await begin(api, 100) for _ in range(50)]:
            assert b" 408 " in await reader.readline()
            writer.close()


@pytest.mark.parametrize("path", ["segments", "segments/batch", "admin/segments"])
async def test_a_body_that_does_not_come_is_refused(ready: Settings, path: str) -> None:
    async with api_running(ready.model_copy(update={"http_timeout_seconds": 0.5})) as api:
        reader, writer = await begin(api, 100, path)
        writer.write(b"{")
        assert b" 408 " in await reader.readline()
        published_no = b'"published":"no"' in await reader.readuntil(b"}")
        assert published_no == (path != "admin/segments")
        writer.close()


async def test_a_head_of_many_headers_is_none_of_our_business(api: Api) -> None:
    many = {f"X-{n}": "x" * 100 for n in range(90)}
    assert (await api.client.get("/health/live", headers=many)).status_code == 200


async def test_a_body_that_comes_in_pieces_is_put_together(api: Api) -> None:
    body = json.dumps(command_body(description="é" * 4000)).encode()
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


async def test_more_requests_than_may_be_in_flight_get_503_at_once(ready: Settings) -> None:
    given = ready.model_copy(update={"http_in_flight": 3, "http_timeout_seconds": 60.0})
    async with api_running(given) as api:
        waiting = await fill(api, "k l m", "n")
        for path in ("/health/live", "/metrics"):
            assert (await api.client.get(path)).status_code == 200
        read = await api.call("GET", "/networks/n/sizes")
        assert (read.status_code, "published" in read.json()) == (503, False)
        for writer in waiting:
            writer.close()
        await holds(lambda: takes(api))


async def test_the_slow_clients_of_one_network_hold_up_no_other(ready: Settings) -> None:
    """More than its share of places it never has: half of the six."""
    given = ready.model_copy(update={"http_in_flight": 6, "http_timeout_seconds": 60.0})
    async with api_running(given) as api:
        waiting = await fill(api, "other", "other")
        assert (await api.post(command_body())).status_code == 201
        assert (await api.call("GET", "/networks/n/sizes")).status_code == 200
        read = await api.call("GET", "/networks/other/sizes", network="other")
        assert (read.status_code, "published" in read.json()) == (503, False)
        for writer in waiting:
            writer.close()
        await holds(lambda: is_read(api, "other"))


async def test_a_network_that_has_its_places_is_refused_before_its_request_is_looked_at(
    ready: Settings,
) -> None:
    given = ready.model_copy(update={"http_in_flight": 6, "http_timeout_seconds": 60.0})
    async with api_running(given) as api:
        waiting = await fill(api, "other", "other")
        nowhere = "/networks/other/no-such-path"
        assert (await api.call("GET", nowhere, network="other")).status_code == 503
        assert (await api.call("GET", nowhere)).status_code == 404
        for writer in waiting:
            writer.close()
        await holds(lambda: is_read(api, "other"))


async def is_read(api: Api, network: str) -> bool:
    path = f"/networks/{network}/sizes"
    return (await api.call("GET", path, network=network)).status_code == 200


async def is_busy(api: Api, network: str = "n") -> bool:
    response = await api.post(command_body(), network)
    return response.status_code == 503 and response.json()["published"] == "no"


async def takes(api: Api) -> bool:
    return (await api.post(command_body())).status_code == 201
