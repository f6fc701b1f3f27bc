"""Topics that were remade or emptied under a lane, that grow, or that somebody else made."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
import structlog

from service.ingest import monitor
from service.ingest import role as ingest_module
from service.ingest.role import ingest
from service.kafka.clients import set_up_topics, topic_faults
from tests.support.accounts import logged, outcomes
from tests.support.database import folded, make_segments, rows, sound, until, value
from tests.support.first_lane import STOPPED, publish_stamped, publish_users, read_and_stop, users
from tests.support.roles import service
from tests.support.topics import (
    delete_commands,
    delete_records,
    grow_commands,
    make_commands,
    members,
    remake_commands,
)
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_a_topic_that_was_away_for_a_while_stops_its_lane_when_it_is_back(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hazard 6: the process ran on meanwhile, and what aged out under it before did not disturb it."""
    monkeypatch.setattr(ingest_module, "METADATA_MAX_AGE_MS", 300)
    monkeypatch.setattr(monitor, "GONE_AFTER", 10_000)  # or the lane is stopped before it is back
    await publish_users(ready, "a", "b")
    async with service(ready, ingest):
        await logged(ready)
        await delete_records(ready, 0, 2)
        await publish_users(ready, "c")
        await logged(ready)  # an idle lane goes on
        assert await value(ready, STOPPED) is None
        await delete_commands(ready)
        await no_lanes(ready)
        await make_commands(ready)
        because = await until(ready, STOPPED)
        assert "before 3 where the log stands" in because


async def no_lanes(settings: Settings) -> None:
    """Wait until the group has noticed that the topic is gone."""
    topic = settings.topic_prefix.encode()

    async def unassigned() -> bool:
        return not any(topic in assigned for assigned in await members(settings))

    await holds(unassigned)


async def test_a_topic_remade_under_a_running_process_stops_its_lane(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hazard 6: with more records than were read, at once."""
    monkeypatch.setattr(ingest_module, "METADATA_MAX_AGE_MS", 300)
    monkeypatch.setattr(monitor, "GONE_AFTER", 10_000)  # or the lane is stopped before it is back
    await publish_users(ready, "a", "b")
    async with service(ready, ingest):
        await logged(ready)
        await remake_commands(ready)
        await publish_users(ready, "new 0", "new 1", "new 2", "new 3")
        because = await until(ready, STOPPED)
        assert "remade" in because
    assert await users(ready) == ["a", "b"]


async def test_a_stop_that_meets_a_rebalance_ends_the_process(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane that began between the end of the others and the leaving of the group would go on for ever."""
    stop = asyncio.Event()

    async def meet_rebalance(watching: monitor.Monitor) -> None:
        if stop.is_set():
            consumer = watching._consumer  # noqa: SLF001 - as aiokafka does
            assigned = consumer.assignment()  # type: ignore[no-untyped-call]
            await consumer._subscription.listener.on_partitions_assigned(assigned)  # noqa: SLF001

    monkeypatch.setattr(monitor.Monitor, "commit", meet_rebalance)
    running = asyncio.create_task(ingest(ready, stop))
    await publish_users(ready, "a")
    await logged(ready)
    stop.set()
    async with asyncio.timeout(PATIENCE):
        await running


async def test_an_idle_lane_whose_last_record_aged_out_goes_on(ready: Settings) -> None:
    """Hazard 6: nothing is left to compare with, and nothing was missed."""
    await read_and_stop(ready, "a", "b")
    await delete_records(ready, 0, 2)
    async with service(ready):
        await publish_users(ready, "c")
        await folded(ready)
    assert await users(ready) == ["a", "b", "c"]
    assert await value(ready, STOPPED) is None
    await sound(ready)


async def test_a_topic_that_comes_back_as_it_was_goes_on(ready: Settings) -> None:
    """Hazard 6: the same process started again compares and finds nothing."""
    for user in "abc":
        await read_and_stop(ready, user)
    assert await users(ready) == ["a", "b", "c"]
    assert (
        await value(ready, "SELECT count(*) FROM segments.lane_event WHERE action <> 'opened'") == 0
    )


async def test_a_partition_added_later_is_read_from_its_start(ready: Settings) -> None:
    """Hazard 7: while a process runs, and while none does."""
    async with service(ready, ingest):
        await publish_users(ready, "a")
        await logged(ready)
        await grow_commands(ready, 6)
        await publish_users(ready, "early in 4", lane=4)
    await publish_users(ready, "early in 5", lane=5)
    async with service(ready, ingest):
        await logged(ready)
    assert await users(ready) == ["a", "early in 4", "early in 5"]
    assert await value(ready, "SELECT max(first_offset) FROM segments.lane") == 0


async def test_a_running_process_finds_an_added_partition(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hazard 7."""
    monkeypatch.setattr(ingest_module, "METADATA_MAX_AGE_MS", 300)
    async with service(ready, ingest):
        await publish_users(ready, "a")
        await logged(ready)
        await grow_commands(ready, 5)
        await publish_users(ready, "first of the new one", "second", lane=4)
        await logged(ready)
    assert await users(ready) == ["a", "first of the new one", "second"]


async def test_a_topic_that_somebody_else_made_is_told_and_corrected(database: Settings) -> None:
    """Hazard 8: CreateTime; records stamped by a producer are received by the database's clock."""

    async def corrected() -> bool:
        return not await topic_faults(database)

    await make_segments(database)
    await make_commands(database, 2, {"message.timestamp.type": "CreateTime"})
    await publish_stamped(database, 1_000_000_000, "old stamp")
    await publish_stamped(database, time.time() + 1800, "stamp ahead")
    with structlog.testing.capture_logs() as lines:
        async with service(database, ingest):
            await logged(database)
            warned = [line["fault"] for line in lines if line["event"] == "topic misconfigured"]
            assert any("message.timestamp.type is CreateTime" in fault for fault in warned)
            done = await set_up_topics(database)
            assert f"corrected topic {database.topic_prefix}.commands" in done
            assert any(line.startswith("grew topic") for line in done)
            await holds(corrected)  # the broker's answers take a moment to agree
            await publish_stamped(database, 1_000_000_000, "after")
            await logged(database)
    for row in await rows(
        database,
        "SELECT abs(extract(epoch FROM received_at - clock_timestamp())) AS off,"
        " abs(extract(epoch FROM status_change_timestamp - clock_timestamp())) AS time_off"
        " FROM reporting.event",
    ):
        assert row["off"] < 1500  # no stamp is nearer
        assert row["time_off"] < 1500
    assert await outcomes(database) == ["event"] * 3
