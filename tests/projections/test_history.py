"""History and outcomes are kept as rows: what the workers write in any order and a rebuild writes is the oracle's."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projections.fold import long_keys
from projections.fold.worker import ROLE, fold_range
from projections.operations.verify import verify
from tests.oracle.fold import Step, earliest_later, outcome
from tests.oracle.fold import fold as fold_by_oracle
from tests.oracle.words import Command, Event
from tests.projections.folding import fold, log
from tests.projections.logged import ADD, BLOCK, EXPIRE, LANES, NOON, LoggedEvent, moment, put
from tests.projections.test_whole import fold_whole
from tests.support.database import connected, rows, sound, until, value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
AT = 1_700_000_000
STATUSES = (None, "add", "block", "reset", "enter", "leave", "expire")
# Few seconds, so that many tie; each step of a lane's clock is one or none.
DRAWN = st.tuples(
    st.integers(0, len(LANES) - 1), st.integers(ADD, EXPIRE), st.integers(0, 3), st.integers(0, 1),
    st.sampled_from([None, None, 7, 8]), st.integers(0, 9),
)  # fmt: skip
_OUTCOMES = """
SELECT o.lane_id, 256 * o.block + n.place AS kafka_offset, get_byte(o.codes, n.place) AS code
FROM projections.outcome AS o CROSS JOIN generate_series(0, 255) AS n (place)
WHERE o.slot = $1 AND get_byte(o.codes, n.place) <> 0
"""
_INTERVALS = """
SELECT segment_key, person_id, valid_from, valid_to, lane_id, kafka_offset, user_status, is_member, override
FROM projections.key_interval WHERE slot = $1
"""


def drawn_histories(count: int) -> list[list[LoggedEvent]]:
    """Histories that Hypothesis draws, with events late, tied and expiring; each lane keeps its order of receipt."""
    drawn: list[list[Any]] = []

    @given(st.lists(DRAWN, min_size=1, max_size=12))
    @settings(
        max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    def draw(history: list[Any]) -> None:
        drawn.append(history)

    draw()
    ends = [0] * len(LANES)
    histories = []
    for key, history in enumerate(drawn):
        clocks = [20 * key] * len(LANES)
        events: list[LoggedEvent] = []
        for lane, status, at, step, lapses, back in history:
            clocks[lane] += step
            named = events[-1 - back % len(events)] if events and status == EXPIRE else None
            until = lapses if status <= BLOCK else None
            clock = clocks[lane]
            events.append(LoggedEvent(status, lane, ends[lane], at, clock, clock, until, named))
            ends[lane] += 1
        histories.append(events)
    return histories


def steps_of(history: Sequence[LoggedEvent]) -> list[Step]:
    """Fold a history by the oracle."""
    events = []
    for one in history:
        topic, partition, epoch = LANES[one.lane]
        named = one.names and (*LANES[one.names.lane], one.names.offset)
        status = STATUSES[one.status]
        assert status is not None
        reference = f"expire:{named}"
        command = Command("n", 1, "u", "u", status, reference, one.at, None, one.lapses, None)
        position = (topic, partition, epoch, one.offset)
        events.append(
            Event(position, command, one.at, reference, 1000 * one.received, NOON, "kafka", None)
        )
    return fold_by_oracle(events, str)


def intervals_of(history: Sequence[LoggedEvent], lane_ids: dict[Any, int]) -> list[tuple[Any, ...]]:
    """The rows of projections.key_interval of a key, by the oracle."""
    begun = [
        (step, place)
        for place, step in enumerate(steps_of(history))
        if step.changed_membership or step.changed_override or place == 0
    ]
    ends = [moment(step.event.time) for step, _ in begun[1:]] + [None]
    intervals = []
    for (step, _), end in zip(begun, ends, strict=True):
        event: tuple[Any, ...] = (None, None, None)
        if step.changed_membership or step.changed_override:
            *lane, offset = step.event.position
            event = (lane_ids[tuple(lane)], offset, STATUSES.index(step.event.command.status))
        override = STATUSES.index(step.after.override) if step.after.override else 0
        intervals.append((moment(step.event.time), end, *event, step.after.is_member, override))
    return intervals


def outcomes_of(history: Sequence[LoggedEvent], lane_ids: dict[Any, int]) -> list[tuple[Any, ...]]:
    """The rows of _OUTCOMES of a key, by the oracle."""
    steps = steps_of(history)
    outcomes = []
    for step, later in zip(steps, earliest_later(steps), strict=True):
        *lane, offset = step.event.position
        superseded = outcome(step, later, str) == "superseded"
        effect = step.changed_membership + 2 * step.changed_override
        alone = outcome(step, None, str)
        marks = 8 * (alone == "ineffective") + 4 * (alone == "applied" and not effect)
        outcomes.append((lane_ids[tuple(lane)], offset, 32 + effect + marks + 16 * superseded))
    return outcomes


async def fold_by_pieces(
    connection: asyncpg.Connection[Any], rng: random.Random, ends: dict[int, int] | None = None
) -> None:
    """Fold the lanes as workers do, in any order of their batches; ends: up to these offsets."""
    await connection.execute(f"SET ROLE {ROLE}; UPDATE projections.checkpoint SET next_offset = 0")
    found = await connection.fetch("SELECT lane_id, next_offset FROM segments.lane")
    lanes = dict(found) if ends is None else {lane: end for lane, end in ends.items() if end}
    places = dict.fromkeys(lanes, 0)
    while lanes:
        lane = rng.choice(list(lanes))
        until = min(lanes[lane], places[lane] + rng.choice([1, 5, 30, 100]))
        async with connection.transaction():
            await fold_range(connection, 0, lane, places[lane], until)
        places[lane] = until
        if until == lanes[lane]:
            del lanes[lane]
    await connection.execute("RESET ROLE")


@pytest.mark.parametrize("every", [1, 3, 500])
async def test_any_history_folded_by_pieces_or_as_a_whole_leaves_what_the_oracle_says(
    database: Settings, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    """All keys are long ones, some, or none: every way that workers fold is taken."""
    monkeypatch.setattr(long_keys, "EVERY", every)
    histories = drawn_histories(200)
    async with connected(database) as connection:
        await put(connection, histories)
        lanes = {
            (row["topic"], row["partition"], row["epoch"]): row["lane_id"]
            for row in await connection.fetch("SELECT * FROM segments.lane")
        }
        intervals = sorted(
            repr((1 + key % 3, 1 + key // 3, *interval))
            for key, history in enumerate(histories)
            for interval in intervals_of(history, lanes)
        )
        outcomes = sorted(row for history in histories for row in outcomes_of(history, lanes))
        await fold_by_pieces(connection, random.Random(every))  # noqa: S311 - the same each time
        for slot in (0, 1):
            if slot:
                await fold_whole(connection)
            found = await connection.fetch(_INTERVALS, slot)
            assert sorted(repr(tuple(row)) for row in found) == intervals
            found = await connection.fetch(_OUTCOMES, slot)
            assert sorted(tuple(row) for row in found) == outcomes


async def test_workers_that_set_outcomes_of_one_lane_at_once_lose_none(database: Settings) -> None:
    async with log(database, 2) as (first, second):
        await first.append(command_json(user_status="enter", status_change_timestamp=AT + 10))
        await fold(database)
        await first.append(command_json(user="v", user_status="enter", status_change_timestamp=AT))
        await second.append(command_json(user_status="block", status_change_timestamp=AT))
        async with (
            connected(database, ROLE) as one,
            connected(database, ROLE) as other,
            asyncio.TaskGroup() as tasks,
        ):

            async def fold_late() -> None:
                async with other.transaction():
                    await fold_range(other, 0, second.lane_id, 0, 1)

            async with one.transaction():
                await fold_range(one, 0, first.lane_id, 1, 2)
                tasks.create_task(fold_late())
                await until(
                    database,
                    "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()"
                    " AND wait_event_type = 'Lock'",
                )
    found = await rows(
        database, "SELECT user_id, user_status, outcome FROM reporting.result ORDER BY 1, 2"
    )
    assert [tuple(row.values()) for row in found] == [
        ("u", "block", "applied"),
        ("u", "enter", "ineffective"),
        ("v", "enter", "applied"),
    ]
    await sound(database)


async def test_the_duration_of_an_interval_is_from_one_change_to_the_next(
    database: Settings,
) -> None:
    async with log(database) as (lane,):
        await lane.append(
            command_json(user_status="enter", status_change_timestamp=AT),
            command_json(user_status="leave", status_change_timestamp=AT + 3 * 86_400 + 1),
            command_json(user_status="enter", status_change_timestamp=AT + 3 * 86_400 + 1),
        )
        await fold(database)
    found = await rows(
        database,
        "SELECT cause, is_current, extract(epoch FROM duration)::bigint AS seconds FROM reporting.membership_history"
        " ORDER BY valid_from, valid_to",
    )
    assert [tuple(row.values()) for row in found] == [
        ("enter", False, 259_201),
        ("leave", False, 0),
        ("enter", True, None),
    ]


async def test_a_key_s_first_event_writes_no_row_but_its_state(database: Settings) -> None:
    async with log(database) as (lane,):
        await lane.append(*(command_json(user=f"u{number}") for number in range(20)))
        await fold(database)
    assert await value(database, "SELECT count(*) FROM projections.past_interval") == 0
    assert await value(database, "SELECT count(*) FROM reporting.membership_history") == 20


@pytest.mark.parametrize(
    "tampered",
    [
        "UPDATE projections.past_interval SET is_member = NOT is_member WHERE kafka_offset = 0",
        "UPDATE projections.past_interval SET override = 2 WHERE kafka_offset = 0",
        "UPDATE projections.past_interval SET user_status = 3 WHERE kafka_offset = 0",
        "UPDATE projections.past_interval SET valid_from = valid_from - interval '1 s' WHERE kafka_offset = 0",
        "UPDATE projections.past_interval SET valid_to = valid_to + interval '1 s' WHERE kafka_offset = 0",
        "UPDATE projections.past_interval SET person_id = 99 WHERE kafka_offset = 0",
        "UPDATE projections.past_interval SET segment_key = 99 WHERE kafka_offset = 0",
        "UPDATE projections.past_interval SET kafka_offset = 9 WHERE kafka_offset = 0",
        "UPDATE projections.past_interval SET user_status = 5 WHERE kafka_offset IS NULL",
        "INSERT INTO projections.past_interval SELECT * FROM projections.past_interval",
        "UPDATE projections.past_interval SET effect = 3 - effect WHERE kafka_offset = 0",
        "DELETE FROM projections.past_interval WHERE kafka_offset = 0",
    ],
)
async def test_verify_names_an_interval_that_was_tampered_with(
    database: Settings, tampered: str
) -> None:
    async with log(database) as (lane,):
        await lane.append(
            command_json(user_status="add", status_change_timestamp=AT),
            command_json(user_status="block", status_change_timestamp=AT + 10),
            command_json(user="v", user_status="leave", status_change_timestamp=AT),
            command_json(user="v", user_status="enter", status_change_timestamp=AT + 10),
        )
        await fold(database)
    async with connected(database) as connection:
        assert await verify(connection) == []
        assert not (await connection.execute(tampered)).endswith(" 0")
        assert {one["view"] for one in await verify(connection)} == {"membership_history"}


@pytest.mark.parametrize(
    "tampered",
    [
        "UPDATE projections.outcome SET codes = set_byte(codes, 0, get_byte(codes, 0) | 16)",
        "UPDATE projections.outcome SET codes = set_byte(codes, 1, 0)",
        "UPDATE projections.outcome SET codes = set_byte(codes, 255, 32)",
        "UPDATE projections.outcome SET block = 1",
        "UPDATE projections.outcome SET lane_id = 99",
        "INSERT INTO projections.outcome SELECT slot, lane_id, 1, codes FROM projections.outcome",
        "DELETE FROM projections.outcome",
    ],
)
async def test_verify_names_an_outcome_that_was_tampered_with(
    database: Settings, tampered: str
) -> None:
    async with log(database) as (lane,):
        await lane.append(
            command_json(user_status="add", status_change_timestamp=AT),
            command_json(user_status="leave", status_change_timestamp=AT + 10),
        )
        await fold(database)
    async with connected(database) as connection:
        assert await verify(connection) == []
        assert not (await connection.execute(tampered)).endswith(" 0")
        assert {one["view"] for one in await verify(connection)} == {"result"}
