"""Postgres comes back some seconds older under processes that live on, as after a failover that lost commits."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from service.registry import segments as registry
from service.registry.api_keys import Scope, create_key
from stack.ports import free_port
from tests.faults.test_servers import in_thread
from tests.support.command_line import run
from tests.support.database import connected, erase, folded, make_segments, sound, until, value
from tests.support.kafka import NewRecord, publish
from tests.support.referee import differences
from tests.support.roles import processes
from tests.support.topics import members
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from service.runtime.settings import Settings
    from stack import Stack
    from tests.support.roles import Process

pytestmark = [pytest.mark.stack, pytest.mark.fault]
EVENTS = "SELECT count(*) FROM segments.event"
RESTORED = "Postgres was restarted, failed over or restored"


class OlderCopy:
    """A copy of Postgres' files, to be put back later."""

    def __init__(self, stack: Stack, data: Path) -> None:
        self._stack = stack
        self._data = data
        self._copy = data.with_name("copy")

    async def take(self) -> None:
        await in_thread(self._stack.postgres, "stop")
        shutil.rmtree(self._copy, ignore_errors=True)
        # With owners and modes: the server runs as another user.
        await asyncio.to_thread(subprocess.check_call, ["cp", "-a", self._data, self._copy])
        await in_thread(self._stack.postgres, "start")

    async def put_back(self) -> None:
        await in_thread(self._stack.postgres, "kill")
        shutil.rmtree(self._data)
        self._copy.rename(self._data)
        await in_thread(self._stack.postgres, "start")


async def older_copy(stack: Stack, settings: Settings) -> OlderCopy:
    data = Path(await value(settings, "SHOW data_directory"))
    if not data.is_dir():  # noqa: ASYNC240 - a look at the disk
        pytest.skip("Postgres' files are not on this machine")
    return OlderCopy(stack, data)


@asynccontextmanager
async def frozen(running: Iterable[Process]) -> AsyncIterator[None]:
    """Stop processes while the block runs: they notice nothing of what goes on, and remember all."""
    for process in running:
        process.pause()
    yield
    for process in running:
        process.resume()


async def left(settings: Settings) -> bool:
    """Whether ingest's group has no member."""
    return not await members(settings)


async def warns(settings: Settings) -> bool:
    """Whether `status` shows that Postgres came back in an older state."""
    warnings = (await run(settings, "status", "--json")).json["warnings"]
    return any("came back in an older state" in warning for warning in warnings)


class Sent:
    """What was published, and where it lies."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.records: list[Any] = []
        self._at = int(time.time()) - 5000

    async def __call__(self, network: str, users: Iterable[str], segment: int, lane: int) -> None:
        records = []
        for user in users:
            self._at += 1
            records.append(
                NewRecord(
                    lane=lane, network_id=network, user=user, segment_id=segment, user_status="add",
                    status_change_timestamp=self._at, reference_id=f"r{self._at}",
                )
            )  # fmt: skip
        metas = await publish(self._settings, records)
        self.records += [
            (one, (meta.topic, meta.partition, meta.offset, meta.timestamp))
            for one, meta in zip(records, metas, strict=True)
        ]


async def test_nothing_remembered_of_a_newer_postgres_is_used_again(
    own_stack: Stack, faulty: Settings
) -> None:
    """People, segments and keys whose numbers others get: no network sees another's, and all is read again."""
    await make_segments(faulty, [("a", 1), ("b", 1)])
    copy = await older_copy(own_stack, faulty)
    sent = Sent(faulty)
    settings = faulty.model_copy(update={"http_port": free_port()})
    url = f"http://127.0.0.1:{settings.http_port}/networks"
    with processes(settings, "ingest", "project", "api") as running:
        await running[2].wait_for_output("serving")
        await sent("a", [f"old{n}" for n in range(20)], 1, lane=0)
        await sent("b", [f"old{n}" for n in range(20)], 1, lane=1)
        await folded(faulty)
        kept = await _key(faulty)
        await copy.take()
        lost = await _key(faulty)
        await make_segments(faulty, [("a", 2)])
        assert [await _post(url, key) for key in (kept, lost)] == [201, 201]
        # To be lost: people of a, events of segment 2 of a, an erasure.
        await sent("a", [f"x{n}" for n in range(20)], 1, lane=2)
        await sent("a", [f"x{n}" for n in range(20)], 2, lane=2)
        await folded(faulty)
        assert await erase(faulty, "old0", "a") == 1
        await sent("a", ["x0", "x1"], 1, lane=3)
        await folded(faulty)
        async with frozen(running):
            await copy.put_back()
            # The key of segment 2 of a is now that of segment 2 of b.
            await make_segments(faulty, [("b", 2)])
        await sent("b", [f"y{n}" for n in range(30)], 1, lane=1)
        await sent("b", [f"y{n}" for n in range(30)], 2, lane=3)
        await sent("a", [f"x{n}" for n in range(20)], 1, lane=2)
        await sent("a", [f"x{n}" for n in range(20)], 2, lane=2)
        await folded(faulty)
        async with asyncio.timeout(PATIENCE):  # neither the segment nor that key is there any more
            while [await _post(url, key) for key in (kept, lost)] != [404, 401]:  # noqa: ASYNC110 - another process changes it
                await asyncio.sleep(0.1)
        assert [process.running for process in running] == [True] * 3
        # Once for the start on the copy that was taken, once for the start on that copy.
        assert running[0].output().count(RESTORED) == 2, running[0].output()
        assert running[2].output().count(RESTORED) == 2, running[2].output()
        assert await warns(faulty)
    await sound(faulty)
    others = await value(
        faulty,
        "SELECT count(*) FROM reporting.user_segment WHERE (network_id = 'a' AND user_id LIKE 'y%')"
        " OR (network_id = 'b' AND user_id LIKE 'x%')",
    )
    assert others == 0


async def _key(settings: Settings) -> str:
    async with connected(settings) as connection:
        return (await create_key(connection, network_id="a", scopes={Scope.PUBLISH}))[1]


async def _post(url: str, key: str) -> int:
    async with httpx.AsyncClient(
        headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE
    ) as client:
        command = {"user": "x0", "segment_id": 2, "user_status": "add"}
        return (await client.post(f"{url}/a/segments", json=command)).status_code


async def test_the_views_are_as_the_oracle_has_it_after_an_older_postgres(
    own_stack: Stack, faulty: Settings
) -> None:
    await make_segments(faulty, [("a", 1), ("a", 3), ("b", 1)])
    copy = await older_copy(own_stack, faulty)
    sent = Sent(faulty)
    with processes(faulty, "ingest", "ingest", "project", "project") as running:
        await sent("a", [f"old{n}" for n in range(30)], 1, lane=0)
        await folded(faulty)
        await copy.take()
        await make_segments(faulty, [("a", 2)])
        async with connected(faulty) as connection:
            await registry.set_archived(connection, network_id="a", segment_id=3, archived=True)
        for lane in range(4):
            await sent("a", [f"x{lane}{n}" for n in range(50)], 1 + lane % 3, lane=lane)
        await folded(faulty)
        async with frozen(running):
            await copy.put_back()
            await make_segments(faulty, [("b", 2)])
            async with connected(faulty) as connection:  # as many changes as were lost
                await registry.edit(connection, network_id="b", segment_id=1, description="x")
            await sent("b", [f"y{n}" for n in range(30)], 2, lane=0)
        for lane in range(4):
            await sent("b", [f"z{lane}{n}" for n in range(30)], 1 + lane % 2, lane=lane)
            await sent("a", [f"x{lane}{n}" for n in range(50)], 1 + lane % 3, lane=lane)
        await folded(faulty)
        assert [process.running for process in running] == [True] * 4
        await sound(faulty)
        segments = dict.fromkeys([("a", 1), ("a", 3), ("b", 1), ("b", 2)], False)
        assert await differences(faulty, segments, sent.records) == []


async def test_what_was_lost_is_read_again_though_no_new_record_comes(
    own_stack: Stack, faulty: Settings
) -> None:
    await make_segments(faulty)
    copy = await older_copy(own_stack, faulty)
    sent = Sent(faulty)
    with processes(faulty, "ingest", "project"):
        await sent("n", ["before"], 1, lane=0)
        await folded(faulty)
        await copy.take()
        await sent("n", [f"u{n}" for n in range(40)], 1, lane=0)
        await sent("n", [f"v{n}" for n in range(40)], 1, lane=2)
        await folded(faulty)
        await copy.put_back()
        await until(faulty, EVENTS, lambda count: count == 81)
        await folded(faulty)
        await sound(faulty)


async def test_status_shows_what_is_read_again_also_after_a_rebalance(
    own_stack: Stack, faulty: Settings
) -> None:
    """The partitions of a process that stands still longer than its session are assigned to it anew."""
    await make_segments(faulty)
    copy = await older_copy(own_stack, faulty)
    sent = Sent(faulty)
    with processes(faulty, "ingest", "project") as running:
        await sent("n", ["before"], 1, lane=0)
        await folded(faulty)
        await copy.take()
        await sent("n", [f"u{n}" for n in range(40)], 1, lane=0)
        await folded(faulty)
        async with frozen(running):
            await copy.put_back()
            await holds(lambda: left(faulty))
        await until(faulty, EVENTS, lambda count: count == 41)
        await holds(lambda: warns(faulty))
        assert running[0].output().count("lanes assigned") == 2
