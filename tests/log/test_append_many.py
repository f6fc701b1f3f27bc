"""Little batches of several lanes go into the log in one statement, and whatever is odd about one spoils no other."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from service.log.append_many import LITTLE
from service.runtime.errors import LaneLostError
from tests.log.test_append_race import command, sound_log
from tests.support.database import connected, rows, value
from tests.support.lane import command_json, log_lanes
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings
    from tests.support.lane import LogLane

pytestmark = pytest.mark.stack
TRANSACTIONS = "SELECT count(DISTINCT xmin::text) FROM segments.event"


@asynccontextmanager
async def of_one_process(settings: Settings, count: int) -> AsyncIterator[list[LogLane]]:
    """Open lanes that share one Appender, as those of a process do."""
    async with log_lanes(settings, count) as lanes:
        for lane in lanes:
            lane.appender = lanes[0].appender
        yield lanes


async def store_all(lanes: list[LogLane], *values: list[Any]) -> list[Any]:
    batches = [await lane.prepare(*mine) for lane, mine in zip(lanes, values, strict=True)]
    return await asyncio.gather(
        *(lane.store(batch) for lane, batch in zip(lanes, batches, strict=True))
    )


async def test_little_batches_of_several_lanes_are_one_transaction(registered: Settings) -> None:
    async with of_one_process(registered, 3) as lanes:
        for round_ in range(4):
            await store_all(
                lanes, *([command(100 * round_ + 10 * n + m) for m in range(n + 1)] for n in range(3))
            )  # fmt: skip
    assert await value(registered, "SELECT count(*) FROM segments.event") == 24
    assert await value(registered, TRANSACTIONS) == 4
    await sound_log(registered)


async def test_all_that_a_command_says_is_stored_as_when_its_lane_goes_alone(
    registered: Settings,
) -> None:
    full = {
        "user": " Ann@Example.COM ",
        "status_change_timestamp": int(time.time()) - 100,
        "expires_at": int(time.time()) + 1000,
        "description": "why ✓",
        "metadata": {"a": [1, 2.50, "ü"], "reference_id": "r"},
    }
    values = [
        command_json(**full),
        command_json(user="b"),
        command_json(user="c", user_status="leave", metadata={}),
    ]
    query = (
        "SELECT user_id, user_sent, user_status, time_given, expires_at, description, metadata, kafka_offset, source,"
        " actor, received_at, recorded_at > received_at - interval '1 second' AS in_order, status_change_timestamp,"
        " left(reference_id, 5) AS reference FROM reporting.event WHERE kafka_partition = $1 ORDER BY kafka_offset"
    )
    async with of_one_process(registered, 2) as (together, alone):
        records = together.records(*values)
        batch = await together.prepare_records(records)
        assert await together.appender.store_together(batch) is not None
        for record in records:
            record.value = record.value.replace(b'"n"', b'"m"') if record.value else None
        await alone.appender.store_alone(await alone.prepare_records(records))
    assert len(await rows(registered, query, 0)) == 3
    assert await rows(registered, query, 0) == await rows(registered, query, 1)
    await sound_log(registered)


async def test_a_lane_that_was_lost_or_is_held_does_not_keep_the_others(
    registered: Settings,
) -> None:
    async with of_one_process(registered, 3) as lanes:
        lost, held, free = lanes
        batches = [await lane.prepare(command(n)) for n, lane in enumerate(lanes)]
        async with connected(registered) as connection:
            await connection.execute(
                "UPDATE segments.lane SET next_offset = 1, holes = 1 WHERE lane_id = $1",
                lost.lane_id,
            )
            async with connection.transaction():
                await connection.execute(
                    "SELECT FROM segments.lane WHERE lane_id = $1 FOR UPDATE", held.lane_id
                )
                waiting = asyncio.create_task(held.store(batches[1]))
                with pytest.raises(LaneLostError):
                    await lost.store(batches[0])
                assert (await free.store(batches[2])).events == 1
                assert not waiting.done()
        assert (await waiting).events == 1
    assert await value(registered, "SELECT count(*) FROM segments.event") == 2


async def test_a_repeat_in_one_lane_leaves_the_others_their_events(registered: Settings) -> None:
    async with of_one_process(registered, 3) as lanes:
        await store_all(lanes, [command(0)], [command(1)], [command(2)])
        done = await store_all(lanes, [command(10)], [command(0), command(11)], [command(12)])
        assert [(one.events, one.duplicates) for one in done] == [(1, 0), (1, 1), (1, 0)]
    await sound_log(registered)


async def test_who_holds_a_command_back_holds_its_own_lane_back_and_no_other(
    registered: Settings,
) -> None:
    """As an append of another process does, stopped inside its COPY: nobody knows whether its rows will stand."""
    async with of_one_process(registered, 2) as lanes, connected(registered) as connection:
        await store_all(lanes, [command(0)], [command(1)])
        batches = [await lane.prepare(command(2 + n)) for n, lane in enumerate(lanes)]
        holding = connection.transaction()
        await holding.start()
        await connection.execute(
            "INSERT INTO segments.event (lane_id, segment_key, kafka_offset, person_id, status_change_timestamp,"
            " received_at, recorded_at, user_status, content, reference_id, discriminator, digest)"
            " SELECT 999, segment_key, 0, $1, to_timestamp($2), now(), now(), user_status, content, $3, '', digest"
            " FROM segments.event LIMIT 1",
            batches[0].candidates[0].place[0],
            batches[0].candidates[0].time,
            "r2",
        )
        kept, free = (
            asyncio.create_task(lane.store(batch))
            for lane, batch in zip(lanes, batches, strict=True)
        )
        async with asyncio.timeout(PATIENCE):
            assert (await free).events == 1
        assert not kept.done()
        await holding.rollback()
        assert (await kept).events == 1
    await sound_log(registered)


async def test_an_erasure_between_preparing_and_storing_is_noticed(registered: Settings) -> None:
    """Guarantee 4: the batch named a person who is nobody any more."""
    async with of_one_process(registered, 2) as lanes:
        await store_all(lanes, [command_json(user="x")], [command_json(user="y")])
        batches = [
            await lane.prepare(command_json(user="x", description="again")) for lane in lanes
        ]
        async with connected(registered) as connection:
            await connection.execute("SELECT segments.erase_person('n', 'x', 'me', 'asked')")
        await asyncio.gather(*(lane.store(b) for lane, b in zip(lanes, batches, strict=True)))
    found = await rows(registered, "SELECT user_id FROM reporting.event ORDER BY user_id")
    assert [row["user_id"] for row in found] == ["erased:1", "x", "x", "y"]
    await sound_log(registered)


async def test_recorded_at_never_falls_in_a_lane_that_goes_together_and_alone(
    registered: Settings,
) -> None:
    async with of_one_process(registered, 2) as lanes, connected(registered) as connection:
        for round_ in range(6):
            many = [command(1000 * round_ + n) for n in range(LITTLE + 1 if round_ % 2 else 1)]
            await store_all(lanes, many, [command(900_000 + round_)])
            # As after a clock that was set back.
            await connection.execute(
                "UPDATE segments.lane SET recorded_at = recorded_at + interval '1 hour'"
            )
    falling = (
        "SELECT count(*) FILTER (WHERE falls), max(recorded_at) > now() + interval '4 hours' AS ahead FROM"
        " (SELECT recorded_at, recorded_at < lag(recorded_at) OVER (PARTITION BY lane_id ORDER BY kafka_offset)"
        " AS falls FROM segments.event) AS e"
    )
    assert await rows(registered, falling) == [{"count": 0, "ahead": True}]
