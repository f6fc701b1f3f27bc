"""A rebuild goes unnoticed by readers, workers and analysts, and may be killed at any moment (hazard 26)."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from projections.fold.rebuild import RebuildRunningError, rebuild
from projections.fold.worker import project
from service.runtime.errors import WrongUseError
from tests.projections.folding import commands, fold, log, read_views
from tests.support.database import connected, rows, sound, until, value
from tests.support.lane import command_json
from tests.support.roles import Process, service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
# The size and the states that it counts, in one statement: one snapshot.
_LOOK = """
SELECT (SELECT members FROM reporting.segment_size WHERE segment_id = 1) AS members,
    (SELECT count(*) FROM reporting.user_segment WHERE segment_id = 1) AS users,
    (SELECT sum(members_joined) FROM reporting.segment_size_daily WHERE segment_id = 1) AS joined
"""


async def look(connection: asyncpg.Connection[Any]) -> tuple[int, ...]:
    """Give members, users and joined."""
    (row,) = await connection.fetch(_LOOK)
    return tuple(row)


async def read_until(settings: Settings, stop: asyncio.Event) -> list[tuple[int, ...]]:
    """Read again and again, as an analyst's tool would; gives all that was seen."""
    seen = []
    async with connected(settings, "segments_report") as connection:
        while not stop.is_set():
            seen.append(await look(connection))
    return seen


async def pour(lane: Any, stop: asyncio.Event) -> int:
    turn = 0
    while not stop.is_set():
        turn += 1
        await lane.append(
            *(
                command_json(
                    user=f"u{turn}-{n}", user_status="enter", status_change_timestamp=1_700_000_000
                )
                for n in range(20)
            )
        )
    return turn * 20


@asynccontextmanager
async def swap_held(settings: Settings) -> AsyncIterator[asyncpg.Connection[Any]]:
    """While the block runs no swap can take place."""
    async with connected(settings) as connection, connection.transaction():
        await connection.execute("SELECT FROM projections.generation FOR KEY SHARE")
        yield connection


async def waits_for_its_swap(settings: Settings) -> None:
    await until(
        settings,
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND query LIKE '%projections.generation%FOR UPDATE%'",
    )


async def test_no_reader_sees_half_a_table_while_events_pour_in_and_analysts_keep_transactions_open(
    database: Settings,
) -> None:
    stop_reading, stop_pouring = asyncio.Event(), asyncio.Event()
    async with log(database) as (lane,), connected(database, "segments_report") as analyst:
        await lane.append(*commands(1, 200, users=50))
        async with service(database, project), connected(database, "segments_report") as other:
            await until(database, "SELECT projection_behind = 0 FROM reporting.watermark")
            pouring = asyncio.create_task(pour(lane, stop_pouring))
            readers = [asyncio.create_task(read_until(database, stop_reading)) for _ in range(3)]
            # One analyst has read and not committed; another's snapshot is older than every swap below.
            open_transaction, old_snapshot = (
                analyst.transaction(),
                other.transaction(isolation="repeatable_read"),
            )
            await open_transaction.start()
            await old_snapshot.start()
            await look(analyst)
            await other.fetchval("SELECT count(*) FROM reporting.segment")
            generation = "SELECT slot, rebuilt_at FROM projections.generation"
            before = (await rows(database, generation))[0]
            users = await value(database, "SELECT count(*) FROM reporting.user_segment")
            async with asyncio.timeout(120):
                await rebuild(database)
                await rebuild(database)
                await rebuild(database)
            after = (await rows(database, generation))[0]
            assert after["slot"] == 1 - before["slot"]
            assert after["rebuilt_at"] > before["rebuilt_at"]
            members, seen_by_old, _ = await look(other)
            assert members > 0
            assert 0 < seen_by_old <= users
            assert (await look(analyst))[1] >= users
            await open_transaction.rollback()
            await old_snapshot.rollback()
            stop_pouring.set()
            poured = await pouring
            await until(database, "SELECT projection_behind = 0 FROM reporting.watermark")
            stop_reading.set()
            seen = await asyncio.gather(*readers)
    await sound(database)
    assert poured > 100
    for one in seen:
        assert len(one) > 5
        # Only entries pour in: whatever is smaller than what was seen before is half a table.
        for column in range(3):
            numbers = [row[column] for row in one]
            assert numbers == sorted(numbers)


async def test_a_rebuild_gives_the_same_rows_and_says_how_many_events_it_folded(
    database: Settings,
) -> None:
    async with log(database, 3) as lanes:
        for lane in lanes:
            await lane.append(*commands(lane.lane.partition, 100))
        await fold(database)
    before = await read_views(database)
    events = await value(database, "SELECT count(*) FROM segments.event")
    assert await rebuild(database) == events
    assert await read_views(database) == before
    assert await rebuild(database) == events
    assert await read_views(database) == before
    # What no longer serves takes no space.
    assert (
        await value(
            database,
            "SELECT count(DISTINCT slot) FROM projections.membership",
        )
        == 1
    )
    await sound(database)


async def test_a_rebuild_of_an_empty_log_and_of_an_unknown_projection(database: Settings) -> None:
    assert await rebuild(database) == 0
    with pytest.raises(WrongUseError, match="no projection 'other'"):
        await rebuild(database, "other")


async def test_a_second_rebuild_at_once_is_refused_and_the_first_goes_on(
    database: Settings,
) -> None:
    async with log(database) as (lane,):
        await lane.append(*commands(2, 50))
        await fold(database)
        async with swap_held(database):
            first = asyncio.create_task(rebuild(database))
            await waits_for_its_swap(database)
            with pytest.raises(RebuildRunningError, match="in progress"):
                await rebuild(database)
        assert await first == 50
    await sound(database)


async def test_a_rebuild_that_was_overtaken_swaps_nothing(database: Settings) -> None:
    async with log(database) as (lane,):
        await lane.append(*commands(3, 50))
        await fold(database)
        async with swap_held(database) as connection:
            first = asyncio.create_task(rebuild(database))
            await waits_for_its_swap(database)
            # As when it slept for longer than its lease and another began.
            await connection.execute(
                "UPDATE projections.lease SET holder = $1 WHERE name = 'rebuild'", uuid.uuid4()
            )
        with pytest.raises(RebuildRunningError):
            await first
    assert await value(database, "SELECT slot FROM projections.generation") == 0
    await sound(database)


async def test_a_killed_rebuild_leaves_all_well_and_the_next_one_works(database: Settings) -> None:
    async with log(database) as (lane,):
        await lane.append(*commands(4, 80))
        await fold(database)
        before = await read_views(database)
        async with swap_held(database):
            process = Process(database, "rebuild")
            await waits_for_its_swap(database)
            process.kill()
        await until(
            database,
            "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'segments_project'",
        )
        assert (
            await value(database, "SELECT count(*) FROM projections.membership WHERE slot = 1") > 0
        )
        assert await read_views(database) == before
        await lane.append(*commands(5, 80))
        await fold(database)
        await sound(database)
        with pytest.raises(RebuildRunningError):
            await rebuild(database)
        async with connected(database) as connection:
            await connection.execute(
                "UPDATE projections.lease SET until = clock_timestamp() WHERE name = 'rebuild'"
            )
        before = await read_views(database)
        assert await rebuild(database) > 80
    assert await read_views(database) == before
    await sound(database)


@pytest.mark.parametrize("seed", range(6))
async def test_a_rebuild_by_sets_gives_what_the_fold_gives_for_any_history(
    database: Settings, seed: int
) -> None:
    """Late events, ties in a second and over lanes; some keys lapse, and are folded step by step."""
    async with log(database, 3) as lanes:
        for number, lane in enumerate(lanes):
            await lane.append(*commands(seed * 3 + number, 300, users=25))
        lapsing = (
            command_json(
                user=f"u{user}",
                user_status=("add", "block")[user % 2],
                status_change_timestamp=1_700_000_000 + seed,
                expires_at=4_000_000_000 + again,
            )
            for user in range(0, 25, 4)
            for again in range(2)
        )
        await lanes[0].append(*lapsing)
        await fold(database)
        before = await read_views(database)
        await rebuild(database)
    assert await read_views(database) == before
    await sound(database)
