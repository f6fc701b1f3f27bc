"""Postgres goes away in every way a network knows; ingest waits, keeps its lanes, and goes on by itself."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
import structlog

from service.ingest import consumer, lane_writer
from service.ingest.role import ingest
from tests.support.accounts import logged, outcomes
from tests.support.database import until, value
from tests.support.kafka import NewRecord, publish
from tests.support.proxy import database_proxy
from tests.support.roles import Process, service
from tests.support.topics import members
from tests.support.waiting import holds, taking

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
PAUSED = "no lane has room: partitions paused"


async def publish_some(settings: Settings, count: int, first: int = 0) -> None:
    await publish(
        settings, [NewRecord(lane=n % 4, user=f"u{n}") for n in range(first, first + count)]
    )


async def all_events(settings: Settings, count: int) -> None:
    for number in range(4):
        assert await outcomes(settings, number) == ["event"] * (count // 4)


def count_of(lines: list[structlog.typing.EventDict], event: str) -> int:
    return sum(line["event"] == event for line in lines)


async def test_connections_that_are_cut_again_and_again_lose_nothing(ready: Settings) -> None:
    """Guarantee 1: whether a cut met an append before its commit, or the answer to it."""
    async with database_proxy(ready) as (proxy, through):
        small = through.model_copy(update={"ingest_batch_records": 20})
        async with service(small, ingest):
            await publish_some(ready, 2000)
            for _ in range(12):
                stored = await value(
                    ready, "SELECT coalesce(sum(next_offset), 0) FROM segments.lane"
                )
                proxy.cut()
                if stored == 2000:
                    break
                await until(ready, f"SELECT sum(next_offset) > {stored} FROM segments.lane")
            await logged(ready)
    await all_events(ready, 2000)


async def test_a_database_that_refuses_is_waited_for_and_the_lanes_are_kept(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The partitions are paused, polling goes on, nothing has to be assigned again."""
    monkeypatch.setattr(consumer, "STALL_SECONDS", 0.02)
    monkeypatch.setattr(lane_writer, "ROOM_BYTES", 4000, raising=False)
    with structlog.testing.capture_logs() as lines:
        async with database_proxy(ready) as (proxy, through):
            small = through.model_copy(update={"ingest_batch_records": 5})
            async with service(small, ingest):
                await publish_some(ready, 40)
                await logged(ready)
                proxy.refuse()
                await publish_some(ready, 160, first=40)
                await holds(lambda: proxy.refused >= 8)
                await holds(lambda: count_of(lines, PAUSED) > 0)
                proxy.mend()
                await logged(ready)
        assert count_of(lines, "lanes assigned") == 1
        assert count_of(lines, "waiting") >= 1
        assert count_of(lines, "recovered") >= 1
    await all_events(ready, 200)


async def test_a_database_behind_a_dead_router_is_waited_for(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections stay open and nothing comes: for a while, and then they are cut as well."""
    monkeypatch.setattr(consumer, "STALL_SECONDS", 0.02)
    monkeypatch.setattr(lane_writer, "ROOM_BYTES", 4000, raising=False)
    with structlog.testing.capture_logs() as lines:

        def pauses(before: int) -> bool:
            return count_of(lines, PAUSED) > before

        async with database_proxy(ready) as (proxy, through):
            small = through.model_copy(update={"ingest_batch_records": 5})
            async with service(small, ingest):
                await publish_some(ready, 40)
                await logged(ready)  # only a lane that is open can be full
                for start, cut in ((40, False), (440, True)):
                    proxy.swallow()
                    before = count_of(lines, PAUSED)
                    await publish_some(ready, 400, first=start)
                    await holds(partial(pauses, before))
                    if cut:
                        proxy.cut()
                    proxy.mend()
                    await logged(ready)
        assert count_of(lines, "lanes assigned") == 1
    await all_events(ready, 840)


async def test_ingest_starts_while_the_database_is_away(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lanes that are not open yet are paused as well, and nobody is told that they are full."""
    monkeypatch.setattr(consumer, "STALL_SECONDS", 0.001)
    with structlog.testing.capture_logs() as lines:
        async with database_proxy(ready) as (proxy, through):
            proxy.refuse()
            async with service(through, ingest):
                await publish_some(ready, 40)
                await holds(lambda: proxy.refused >= 4)
                proxy.mend()
                await logged(ready)
    assert (count_of(lines, "waiting") > 0, count_of(lines, PAUSED)) == (True, 0)
    await all_events(ready, 40)


@pytest.mark.parametrize("away", ["refuse", "swallow"])
async def test_a_stop_does_not_wait_for_a_database_that_is_away(ready: Settings, away: str) -> None:
    """What is not stored is read again by the next process."""
    async with database_proxy(ready) as (proxy, through):
        async with service(through, ingest):
            with taking() as usual:
                await publish_some(ready, 40)
                await logged(ready)
            getattr(proxy, away)()
            await publish_some(ready, 40, first=40)
            await holds(lambda: proxy.refused + proxy.withheld > 0)
            began = time.monotonic()
        assert time.monotonic() - began < 40 + 3 * usual.seconds  # a statement may take 120 s
    async with service(ready, ingest):
        await logged(ready)
    await all_events(ready, 80)


async def test_sigterm_ends_a_process_and_hands_its_lanes_on_at_once(
    ready: Settings,
) -> None:
    """The batch under way is finished and the group is left, so nobody waits for a session to time out."""
    first = Process(ready, "ingest")
    try:
        await first.wait_for_output("lanes assigned")
        await publish_some(ready, 400)
        await until(ready, "SELECT count(*) FROM segments.event")
        async with service(ready, ingest):
            await until(ready, "SELECT count(*) FROM segments.event", lambda count: count == 400)
            await publish_some(ready, 40, first=440)
            await logged(ready)
            assert len(await members(ready)) == 2
            code, output = await asyncio.to_thread(first.stop)
            # It has left: the group does not wait until its session is over.
            assert len(await members(ready)) == 1
            await publish_some(ready, 40, first=400)
            await logged(ready)
        assert code == 0, output
        assert "stopped" in output
    finally:
        first.kill()
    await all_events(ready, 480)
