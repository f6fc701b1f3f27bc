"""Workers side by side, late events and batches of any size give the rows of one plain fold."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from projections.fold.rebuild import rebuild
from projections.fold.worker import ROLE, Worker, fold_digest, fold_range, project
from service.postgres.database import open_database
from service.runtime.errors import FoldDriftError, NotSetUpError
from tests.projections.folding import commands, fold, log, read_views
from tests.support.database import connected, rows, sound, until, value
from tests.support.lane import command_json
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
AT = 1_700_000_000


async def test_two_workers_that_meet_the_same_new_keys_at_once_count_each_key_once(
    database: Settings,
) -> None:
    async with log(database, 2) as lanes:
        for number, lane in enumerate(lanes):
            await lane.append(
                *(
                    command_json(
                        user=f"u{user}",
                        status_change_timestamp=AT + number,
                        reference_id=f"{number}",
                    )
                    for user in range(400)
                )
            )
        async with open_database(database, ROLE, 2) as connections:
            workers = [Worker(connections), Worker(connections)]
            assert await asyncio.gather(*(worker.step() for worker in workers)) == [True, True]
            assert not await workers[0].step()
    assert await rows(database, "SELECT members, added FROM reporting.segment_size WHERE segment_id = 1") == [
        {"members": 400, "added": 400}
    ]  # fmt: skip
    await sound(database)


async def test_a_late_event_is_folded_with_what_lies_below_the_checkpoints_and_no_more(
    database: Settings,
) -> None:
    async with log(database, 2) as (first, second):
        await first.append(command_json(status_change_timestamp=AT + 100, user_status="enter"))
        await second.append(command_json(status_change_timestamp=AT + 50, user_status="block"))
        await first.append(command_json(status_change_timestamp=AT, user_status="enter"))

        async def fold_lane(lane: Any, begin: int, end: int) -> None:
            async with (
                open_database(database, ROLE, 1) as connections,
                connections.transaction() as connection,
            ):
                await fold_range(connection, 0, lane.lane_id, begin, end)
                await connection.execute(
                    "UPDATE projections.generation SET digest = $1", fold_digest()
                )

        await fold_lane(first, 0, 1)
        # Late, and the block of the other lane is in the log already but not below its checkpoint.
        await fold_lane(first, 1, 2)
        await sound(database)
        assert await value(database, "SELECT is_member FROM reporting.user_segment")
        await fold_lane(second, 0, 1)
        await sound(database)
        assert not await value(database, "SELECT is_member FROM reporting.user_segment")


@pytest.mark.parametrize("batch", [1, 7, 1000])
async def test_rows_do_not_depend_on_the_size_of_batches_or_on_late_arrival(
    database: Settings, batch: int
) -> None:
    async with log(database, 2) as lanes:
        sent = commands(5, 120)
        for lane in lanes:
            await lane.append(*sent[lane.lane.partition :: 2])
        small = database.model_copy(update={"project_batch_records": batch, "project_tasks": 3})
        async with service(small, project):
            await until(database, "SELECT projection_behind = 0 FROM reporting.watermark")
    await sound(database)
    live = await read_views(database)
    await rebuild(database)
    assert await read_views(database) == live


async def test_as_of_with_its_defaults_equals_user_segment(database: Settings) -> None:
    async with log(database) as (lane,):
        await lane.append(*commands(6, 150))
        await fold(database)
    differing = await rows(
        database,
        "SELECT * FROM reporting.membership_as_of() AS a"
        " FULL JOIN reporting.user_segment AS s USING (network_id, segment_id, user_id)"
        " WHERE (a.is_member, a.override) IS DISTINCT FROM (s.is_member, s.override)",
    )
    assert differing == []
    assert await value(database, "SELECT count(*) FROM reporting.user_segment") == 8


async def test_superseded_is_told_by_arrival_and_not_by_the_order_of_folding(
    database: Settings,
) -> None:
    async with log(database, 2) as (first, second):
        await first.append(command_json(status_change_timestamp=AT + 9, user_status="block"))
        await second.append(command_json(status_change_timestamp=AT, user_status="add"))
        await fold(database)
    outcomes = await rows(database, "SELECT user_status, outcome FROM reporting.result ORDER BY 1")
    assert [tuple(row.values()) for row in outcomes] == [
        ("add", "superseded"),
        ("block", "applied"),
    ]


async def test_a_worker_of_other_sql_stops_and_asks_for_a_rebuild(database: Settings) -> None:
    async with log(database) as (lane,):
        await lane.append(command_json(user="a"))
        await fold(database)
        async with connected(database) as connection:
            await connection.execute("UPDATE projections.generation SET digest = 'of other SQL'")
        await lane.append(command_json(user="b"))
        with pytest.raises(ExceptionGroup) as raised:
            await project(database, asyncio.Event())
        assert raised.group_contains(FoldDriftError, match="segments rebuild")
        assert await value(database, "SELECT projection_behind FROM reporting.watermark") == 1
        await rebuild(database)
        await fold(database)
    assert await value(database, "SELECT count(*) FROM reporting.user_segment") == 2
    await sound(database)


async def test_a_worker_on_a_database_that_is_not_set_up_says_so(
    database: Settings,
) -> None:
    async with connected(database) as connection:
        await connection.execute("DROP SCHEMA projections CASCADE")
    with pytest.raises(ExceptionGroup) as raised:
        await project(database, asyncio.Event())
    assert raised.group_contains(NotSetUpError, match="segments setup")


async def test_a_lane_that_lost_its_checkpoint_to_a_swap_is_folded_all_the_same(
    database: Settings,
) -> None:
    async with log(database) as (lane,):
        await lane.append(command_json(user="a"))
        async with connected(database) as connection:
            # As when the lane was opened while a rebuild took the slot away.
            await connection.execute("UPDATE projections.checkpoint SET slot = 1")
        async with service(database, project):
            await until(database, "SELECT count(*) = 1 FROM reporting.user_segment")
    await sound(database)


async def test_tables_that_grew_are_analyzed_and_no_others(database: Settings) -> None:
    """The planner takes a table for empty until its first ANALYZE, and autovacuum waits a minute."""
    estimated = "SELECT reltuples::bigint FROM pg_class WHERE oid = 'segments.event'::regclass"
    async with log(database) as (lane,):
        await lane.append(*(command_json(user=f"u{number}") for number in range(3000)))
        assert await value(database, estimated) == -1
        await value(database, "SELECT projections.analyze_grown()")
        assert await value(database, estimated) == 3000
        await lane.append(command_json(user="one more"))
        await value(database, "SELECT projections.analyze_grown()")
        assert await value(database, estimated) == 3000
