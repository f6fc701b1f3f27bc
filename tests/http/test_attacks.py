"""The API under attack by raw sockets, as a process of its own: nothing gets through, and its memory stays bounded."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import subprocess
import sys
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from stack.ports import free_port
from tests.http.client import Api
from tests.support import attacks, slow_attacks
from tests.support.attack_target import LARGE, MIB, Target, get, post
from tests.support.roles import environment
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
SECONDS = 1.0
MOST = 200 * MIB


@asynccontextmanager
async def attacked(
    settings: Settings, descriptors: int | None = None, **changes: Any
) -> AsyncIterator[Target]:
    """Run an API process. descriptors: that it may have; changes: of its settings."""
    given = settings.model_copy(
        update={"http_port": free_port(), "http_timeout_seconds": SECONDS} | changes
    )

    def limit() -> None:
        if descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    with subprocess.Popen(  # noqa: ASYNC220 - it lives as long as the block
        [sys.executable, "-c", "from segments.cli import main; main()", "api"],
        env=environment(given), preexec_fn=limit, stderr=subprocess.DEVNULL,  # noqa: PLW1509 - it sets a limit and no more
    ) as process:  # fmt: skip
        url = f"http://127.0.0.1:{given.http_port}"
        try:
            async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:

                async def is_up() -> bool:
                    try:
                        return (await client.get("/health/ready")).is_success
                    except httpx.TransportError:
                        return False

                await holds(is_up)
                (await client.get(LARGE)).raise_for_status()  # made once
                key = await Api(given, url, client).key("n")
            yield Target(given.http_port, process.pid, SECONDS, key)
            assert process.poll() is None
        finally:
            process.terminate()


async def test_no_attack_gets_through(ready: Settings) -> None:
    failed: dict[str, str] = {}
    async with attacked(ready) as target:
        for name, attack in (attacks.ATTACKS | slow_attacks.ATTACKS).items():
            try:
                await asyncio.to_thread(attack, target)
            except AssertionError as error:
                failed[name] = str(error)
        assert target.memory() < MOST
    assert failed == {}


async def test_idle_connections_beyond_the_descriptors_do_not_keep_the_next_client_out(
    ready: Settings,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 3000:
        pytest.skip("this machine gives a test too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3000), hard))
    async with attacked(ready, 256) as target:
        await asyncio.to_thread(
            slow_attacks.two_thousand_idle_connections_do_not_keep_the_next_client_out, target
        )


@pytest.mark.parametrize("first", [b"", b"GET", get(b"/health/live"), post(b"Content-Length: 9")])
async def test_idle_connections_of_one_client_keep_no_other_out(
    ready: Settings, first: bytes
) -> None:
    most = 200
    # None of them ends by itself while the test has patience.
    async with (
        attacked(ready, http_connections=most, http_timeout_seconds=3600) as target,
        slow_attacks.idle_connections(target, 2 * most, first),
    ):
        for _ in range(20):
            await asyncio.to_thread(slow_attacks.ask_as_another_client, target, PATIENCE)


async def test_five_hundred_slow_batches_of_one_key_are_held_in_little_memory(
    ready: Settings,
) -> None:
    items = [{"user": f"u{n}", "segment_id": 1, "user_status": "add", "description": "x" * 3900}
             for n in range(1000)]  # fmt: skip
    body = json.dumps(items).encode()
    assert 3 * MIB < len(body) < 4 * MIB
    async with attacked(ready) as target:
        process = psutil.Process(target.pid)
        head = (
            f"POST /networks/n/segments/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {target.key}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()

        def send() -> int:
            most = 0
            with ExitStack() as stack:
                for _ in range(500):
                    connection = stack.enter_context(socket.socket())
                    connection.settimeout(PATIENCE)
                    connection.connect(("127.0.0.1", target.port))
                    connection.settimeout(0.02)
                    for piece in (head, body[:-1]):
                        try:
                            connection.sendall(piece)
                        except OSError:
                            break
                    most = max(most, process.memory_info().rss)
            return most

        assert await asyncio.to_thread(send) < MOST
        # They hold nothing any longer, and a whole batch is taken.
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{target.port}", timeout=PATIENCE
        ) as client:

            async def is_taken() -> bool:
                response = await client.post(
                    "/networks/n/segments/batch",
                    content=body,
                    headers={"Authorization": f"Bearer {target.key}"},
                )
                return response.status_code == 207

            await holds(is_taken)
        assert process.memory_info().rss < MOST
