"""A session that stands still with a lane's row, and keeps its next owner from it, is ended; no other one is."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from service.ingest import unblock
from service.log.append import ROLE
from service.postgres.database import database_url
from tests.log.test_append_race import command, sound_log
from tests.support.database import erase, until
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.runtime.settings import Settings
    from tests.support.lane import LogLane

pytestmark = pytest.mark.stack
LOCKED = "SELECT FROM segments.lane WHERE lane_id = $1 FOR UPDATE"
WAITING = (
    "SELECT count(*) = $1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND query NOT LIKE '%pg_stat_activity%'"
)


@asynccontextmanager
async def standing(settings: Settings, *statement: Any) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Give a session of an ingest that executed a statement in a transaction, and does nothing more."""
    connection = await asyncpg.connect(
        database_url(settings), server_settings={"application_name": ROLE}
    )
    try:
        await connection.execute("BEGIN")
        await connection.execute("SELECT segments.keep_erasure_out()")
        await connection.execute(*statement)
        yield connection
    finally:
        connection.terminate()


async def test_whoever_holds_a_lane_for_long_is_ended_while_its_next_owner_waits(
    lane: LogLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unblock, "PATIENCE_SECONDS", 0.2)
    async with standing(lane.settings, LOCKED, lane.lane_id) as holding:
        async with asyncio.timeout(PATIENCE), unblock.unblock(lane.settings, lane.lane_id):
            assert await lane.append(command(1)) == ["event"]
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await holding.execute("SELECT")
    await sound_log(lane.settings)


async def test_of_several_who_wait_for_a_lane_none_is_ended(lane: LogLane) -> None:
    batches = [await lane.prepare(*(command(n) for n in range(200))) for _ in range(2)]
    async with standing(lane.settings, LOCKED, lane.lane_id) as holding:
        waiting = [asyncio.create_task(lane.appender.store_alone(batch)) for batch in batches]
        await until(lane.settings, WAITING.replace("$1", "2"))
        assert await unblock.end_stuck(lane.settings, 0) == [holding.get_server_pid()]
        done = await asyncio.gather(*waiting, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["LaneLostError", "Stored"]
    await sound_log(lane.settings)


async def test_whoever_holds_an_erasure_back_is_ended_where_an_append_waits_behind_it(
    lane: LogLane,
) -> None:
    await lane.append(command(1))
    async with standing(lane.settings, LOCKED, lane.lane_id) as holding:
        erasing = asyncio.create_task(erase(lane.settings, "u1"))
        await until(lane.settings, WAITING.replace("$1", "1"))
        appending = asyncio.create_task(lane.append(*(command(n) for n in range(2, 200))))
        await until(lane.settings, WAITING.replace("$1", "2"))
        assert await unblock.end_stuck(lane.settings, 0) == [holding.get_server_pid()]
        assert await erasing == 1
        assert await appending == ["event"] * 198
    await sound_log(lane.settings)


async def test_whoever_holds_a_command_of_an_append_but_not_its_lane_is_left_alone(
    lane: LogLane,
) -> None:
    """Its own lane's next owner ends it, should it stand still; else it goes on."""
    await lane.append(command(0))
    batch = await lane.prepare(*(command(n) for n in range(1, 200)))
    person_id, _, time, reference_id, _ = batch.candidates[0].place
    held = (
        "INSERT INTO segments.event (lane_id, segment_key, kafka_offset, person_id, status_change_timestamp,"
        " received_at, recorded_at, user_status, content, reference_id, discriminator, digest)"
        " SELECT 999, segment_key, 0, $1, to_timestamp($2), now(), now(), user_status, content, $3, '', digest"
        " FROM segments.event LIMIT 1"
    )
    async with standing(lane.settings, held, person_id, time, reference_id) as holding:
        appending = asyncio.create_task(lane.store(batch))
        await until(lane.settings, WAITING.replace("$1", "1"))
        assert await unblock.end_stuck(lane.settings, 0) == []
        await holding.execute("ROLLBACK")
        assert (await appending).events == 199
    await sound_log(lane.settings)
