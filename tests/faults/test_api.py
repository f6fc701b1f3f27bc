"""Kafka ends and comes back under a thousand HTTP clients: whoever was told 201 is in the log once, `no` is not."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from service.registry.api_keys import Scope, create_key
from stack.ports import free_port
from tests.faults.test_servers import in_thread
from tests.support.database import connected, folded, make_segments, rows, sound
from tests.support.roles import Process, processes
from tests.support.waiting import PATIENCE, holds, taking

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.fault]
CLIENTS = 1000
AT = 1_700_000_000
Answer = tuple[str, int, dict[str, Any], float]
"""Reference, status, body, seconds."""


class Client:
    """One client on one connection: it posts a command, waits for the answer, posts the next one."""

    def __init__(self, number: int, port: int, key: str) -> None:
        self._number = number
        self._port = port
        self._head = (
            f"POST /networks/n/segments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        )
        self.answers: list[Answer] = []

    async def run(self, end: asyncio.Event) -> None:
        ends = await asyncio.open_connection("127.0.0.1", self._port)
        count = 0
        while not end.is_set():
            count += 1
            reference = f"{self._number}-{count}"
            began = time.monotonic()
            try:
                status, body = await self._post(*ends, reference)
            except (OSError, EOFError):
                # A client that is slow to ask, on a busy machine, finds its connection closed; it may have been heard.
                self.answers.append((reference, 0, {"published": "unknown"}, 0.0))
                ends[1].close()
                ends = await asyncio.open_connection("127.0.0.1", self._port)
                continue
            self.answers.append((reference, status, body, time.monotonic() - began))
            if status == 503:
                await asyncio.sleep(0.3)
        ends[1].close()

    async def _post(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reference: str
    ) -> tuple[int, dict[str, Any]]:
        command = {
            "user": f"u{self._number}", "segment_id": 1, "user_status": "add", "reference_id": reference,
            "status_change_timestamp": AT,
        }  # fmt: skip
        body = json.dumps(command).encode()
        writer.write(f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        return int(head.split()[1]), json.loads(await reader.readexactly(length))


async def slowest_of_all(settings: Settings, end: asyncio.Event) -> float:
    """Measure the slowest answer of the same process, beside the same clients, that asks nobody."""
    slowest = 0.0
    url = f"http://127.0.0.1:{settings.http_port}"
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
        while not end.is_set():
            with taking() as asking, suppress(httpx.TransportError):  # as the clients above
                await client.get("/health/live")
            slowest = max(slowest, asking.seconds)
            await asyncio.sleep(0.1)
    return slowest


async def test_every_201_is_in_the_log_once_and_nothing_that_was_not_published(
    own_stack: Stack, faulty: Settings
) -> None:
    await make_segments(faulty)
    async with connected(faulty) as connection:
        _, key = await create_key(connection, network_id="n", scopes={Scope.PUBLISH})
    settings = faulty.model_copy(update={"http_port": free_port(), "http_in_flight": 2 * CLIENTS})
    with processes(settings, "api", "ingest", "project") as running:
        await running[0].wait_for_output("serving")
        clients = [Client(number, settings.http_port, key) for number in range(CLIENTS)]
        end = asyncio.Event()
        load = asyncio.gather(*(client.run(end) for client in clients))
        await holds(lambda: len(answered(clients, 201)) > 2 * CLIENTS)
        usual = max(seconds for *_, seconds in answered(clients, 201))
        probing = asyncio.create_task(slowest_of_all(settings, end))
        await in_thread(own_stack.kafka, "kill")
        await holds(lambda: len(answered(clients, "no")) > CLIENTS)
        await in_thread(own_stack.kafka, "start")
        before = len(answered(clients, 201))
        await holds(lambda: len(answered(clients, 201)) > before + CLIENTS)
        end.set()
        await load
        await check(faulty, running[0], clients, usual + await probing)


def answered(clients: list[Client], what: int | str) -> list[Answer]:
    """Give the answers that say this: 201, or what became of a command."""
    answers = (answer for client in clients for answer in client.answers)
    return [answer for answer in answers if answer[2].get("published", answer[1]) == what]


async def check(settings: Settings, api: Process, clients: list[Client], usual: float) -> None:
    outcomes = defaultdict(set)
    slowest = 0.0
    for client in clients:
        for reference, status, body, seconds in client.answers:
            outcomes[body.get("published", status)].add(reference)
            slowest = max(slowest, seconds) if status == 503 else slowest
    assert set(outcomes) <= {201, "no", "unknown"}
    # Two seconds for the broker, and what a thousand clients cost each other while it was there.
    assert slowest < 4 + 2 * usual
    assert psutil.Process(api.pid).memory_info().rss < 200 * 2**20
    await folded(settings)
    await sound(settings)
    found = await rows(settings, "SELECT reference_id, count(*) FROM reporting.event GROUP BY 1")
    assert {row["count"] for row in found} == {1}
    logged = {row["reference_id"] for row in found}
    assert outcomes[201] <= logged
    assert not outcomes["no"] & logged
    assert logged <= outcomes[201] | outcomes["unknown"]
    assert await rows(settings, "SELECT * FROM reporting.duplicate") == []
