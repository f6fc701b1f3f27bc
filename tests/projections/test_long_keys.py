"""A long key keeps states on its way: a late event, and a question about one event, fold a part of it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from projections.fold import long_keys, worker
from projections.fold.rebuild import rebuild
from projections.fold.worker import ROLE, Worker, fold_range
from projections.operations.verify import verify
from projections.queries.explain import explain
from projections.queries.results import PositionQuery, read_places, read_position
from service.postgres.database import open_database
from tests.projections.folding import commands, fold, log, read_views
from tests.support.database import connected, rows, sound, value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
AT = 1_700_000_000
# Of the events that this transaction read; of those, some more than once.
READ = """
SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0) FROM pg_stat_xact_user_tables WHERE relname = 'event'
"""


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("every", [1, 2, 5])
async def test_a_key_of_any_length_that_is_added_to_anywhere_is_what_its_whole_fold_is(
    database: Settings, monkeypatch: pytest.MonkeyPatch, every: int, seed: int
) -> None:
    monkeypatch.setattr(long_keys, "EVERY", every)
    rng = random.Random(seed)  # noqa: S311 - the same each time
    async with log(database, 2) as lanes:
        given = commands(seed, 160, users=2)
        while given:
            count = rng.randint(1, 20)
            await rng.choice(lanes).append(*given[:count])
            given = given[count:]
            if rng.random() < 0.7:
                await fold(
                    database.model_copy(update={"project_batch_records": rng.randint(1, 30)})
                )
        await fold(database)
    assert await value(database, "SELECT count(*) FROM projections.kept_state WHERE slot = 0") > 0
    await sound(database)
    await _reads_as_the_views_do(database)
    views = await read_views(database)
    await rebuild(database)
    assert await value(database, "SELECT count(*) FROM projections.kept_state WHERE slot = 1") > 0
    await sound(database)
    assert await read_views(database) == views


async def _reads_as_the_views_do(database: Settings) -> None:
    """What is asked for by position and what explains a key are read by the kept states, and equal the whole fold's."""
    wanted = await rows(
        database,
        "SELECT r.*, j.detail FROM reporting.result AS r LEFT JOIN reporting.rejected AS j"
        " USING (kafka_topic, kafka_partition, kafka_epoch, kafka_offset) ORDER BY kafka_partition, kafka_offset",
    )
    async with connected(database, "segments_api") as connection, connection.transaction():
        lanes = {
            row["partition"]: row["lane_id"]
            for row in await connection.fetch("SELECT partition, lane_id FROM segments.lane")
        }
        places = [(lanes[row["kafka_partition"]], row["kafka_offset"]) for row in wanted]
        found = await read_places(connection, "n", places)
        assert list(found.items()) == list(zip(places, wanted, strict=True))
        for place, row in zip(places[::7], wanted[::7], strict=True):
            assert await read_places(connection, "n", [place]) == {place: row}
        for segment, user in {
            (row["segment_id"], row["user_id"]) for row in wanted if row["event_id"]
        }:
            whole = await explain(connection, "n", segment, user)
            assert whole["earlier"] is None
            events: list[Any] = []
            page = await explain(connection, "n", segment, user, 7)
            while page["events"]:
                events = page["events"] + events
                if page["earlier"] is None:
                    break
                page = await explain(connection, "n", segment, user, 7, page["earlier"])
            assert events == whole["events"]
            outcomes = {
                row["event_id"]: row for row in wanted
                if (row["segment_id"], row["user_id"]) == (segment, user) and row["outcome"] != "duplicate"
            }  # fmt: skip
            assert len(outcomes) == len(events)
            for event in events:
                same = set(event) & set(outcomes[event["event_id"]])
                assert {n: event[n] for n in same} == {
                    n: outcomes[event["event_id"]][n] for n in same
                }


async def test_a_late_event_a_result_and_an_explanation_read_a_part_of_a_long_key(
    database: Settings,
) -> None:
    steps = ["add", "enter", "block", "reset", "leave"]
    async with log(database) as (lane,):
        for start in range(0, 12_000, 4_000):
            await lane.append(*(
                command_json(user_status=steps[n % 5], status_change_timestamp=AT + 60 * n, reference_id=f"{n}")
                for n in range(start, start + 4_000)
            ))  # fmt: skip
        await fold(database)
        asked = PositionQuery(lane.lane.topic, 0, None, 6_000)
        async with connected(database, "segments_project") as connection:
            for number, at in enumerate((AT - 1, AT + 60 * 6_000 + 1, AT + 60 * 11_990 + 1)):
                end = 12_000 + number
                await lane.append(
                    command_json(status_change_timestamp=at, reference_id=f"late {number}")
                )
                async with connection.transaction():
                    await fold_range(connection, 0, lane.lane_id, end, end + 1)
                    assert await connection.fetchval(READ) < 6_000
        async with connected(database, "segments_api") as connection:
            async with connection.transaction():
                assert (await read_position(connection, database, "n", asked)).row
                assert await connection.fetchval(READ) < 6_000
            async with connection.transaction():
                explained = await explain(connection, "n", 1, "u")
                assert explained["events"]
                assert await connection.fetchval(READ) < 6_000
    await sound(database)


async def test_what_changes_a_long_key_to_its_end_is_folded_alone(
    database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A late block makes all that automation said after it ineffective: others do not wait while that is folded."""
    monkeypatch.setattr(long_keys, "EVERY", 20)
    monkeypatch.setattr(worker, "MOST_LATE", 100)
    async with log(database, 2) as (first, second):
        await first.append(*(
            command_json(user_status=("enter", "leave")[n % 2], status_change_timestamp=AT + n, reference_id=f"{n}")
            for n in range(2000)
        ))  # fmt: skip
        await fold(database)
        await first.append(
            command_json(user="v", reference_id="before"),
            command_json(user_status="block", status_change_timestamp=AT - 1, reference_id="late"),
            command_json(user="v", segment_id=2, reference_id="after"),
        )
        await second.append(command_json(user="w", reference_id="other"))
        async with open_database(database, ROLE, 1) as connections:
            one = Worker(connections)
            done: list[set[str]] = []
            while await one.step() or len(done) < 2:
                done.append(
                    {row["reference_id"] for row in await rows(
                        database, "SELECT reference_id FROM reporting.result WHERE outcome <> 'queued'"
                        " AND reference_id IN ('before', 'late', 'after', 'other')"
                    )}
                )  # fmt: skip
    assert {"before", "other"} in done
    assert done[-1] == {"before", "late", "after", "other"}
    await sound(database)


@pytest.mark.parametrize(
    "tampered",
    [
        "UPDATE projections.kept_state SET state.override = 2 WHERE (state).override = 1",
        "UPDATE projections.kept_state SET arrived_offset = arrived_offset + 1 WHERE arrived_offset = 0",
        "UPDATE projections.kept_state SET kafka_offset = kafka_offset + 1000",
        "UPDATE projections.membership SET tail = tail + 1",
    ],
)
async def test_verify_names_a_kept_state_that_was_tampered_with(
    database: Settings, monkeypatch: pytest.MonkeyPatch, tampered: str
) -> None:
    monkeypatch.setattr(long_keys, "EVERY", 5)
    async with log(database) as (lane,):
        await lane.append(*(
            command_json(status_change_timestamp=AT + number, reference_id=f"{number}") for number in range(40)
        ))  # fmt: skip
        await fold(database)
    async with connected(database) as connection:
        assert await verify(connection) == []
        assert (await connection.execute(tampered)).removeprefix("UPDATE ") != "0"
        assert {one["view"] for one in await verify(connection)} == {"projections.kept_state"}
