"""Two readings of segment_size_daily reconcile, to the last row, by the events that came between them."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from itertools import groupby, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from projections.fold.worker import ROLE, fold_range
from projections.queries.retroactive import read_moved_day
from tests.projections.folding import commands, fold, log
from tests.projections.logged import put
from tests.projections.test_history import drawn_histories
from tests.projections.test_snapshot import PEOPLE
from tests.support.database import connected, rows, value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from projections.queries.retroactive import LateCommand
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
DAY = 86_400
NOON = 1_700_049_600  # noon of 15 November 2023
NUMBERS = ("members", "joined", "left")
Key = tuple[str, int, date]
_DAILY = "SELECT network_id, segment_id, day, members, members_joined, members_left FROM reporting.segment_size_daily"
_CHANGES = "SELECT * FROM reporting.changes_between($1, $2)"
# Seconds become days, so that a history of seconds has many.
_DAYS = """
UPDATE segments.event SET status_change_timestamp
    = '2024-02-28 12:00Z'::timestamptz + (status_change_timestamp - '2024-02-28 12:00Z') * 129600
"""


async def read_daily(connection: asyncpg.Connection[Any]) -> tuple[str, dict[Key, tuple[int, ...]]]:
    """Read segment_size_daily and the token that belongs to it."""
    async with connection.transaction(isolation="repeatable_read"):
        token = await connection.fetchval("SELECT reporting.snapshot()")
        return token, {tuple(row)[:3]: tuple(row)[3:] for row in await connection.fetch(_DAILY)}


def members_at(counts: dict[Key, tuple[int, ...]], key: Key) -> int:
    """Members at the end of a day, from who joined and left on each."""
    return sum(
        joined - left
        for (*segment, day), (joined, left) in counts.items()
        if tuple(segment) == key[:2] and day <= key[2]
    )


async def reconcile(
    connection: asyncpg.Connection[Any],
    first: tuple[str, dict[Key, tuple[int, ...]]],
    second: tuple[str, dict[Key, tuple[int, ...]]],
) -> int:
    """Come from one reading to the other by the changes between them; give how many there were."""
    changes = await connection.fetch(_CHANGES, first[0], second[0])
    counts = {key: row[1:] for key, row in first[1].items()}
    for _, rows_of_event in groupby(changes, key=itemgetter("event_id")):
        before = dict(counts)
        for row in rows_of_event:
            key = (row["network_id"], row["segment_id"], row["day"])
            assert before.get(key, (0, 0)) == (row["joined_before"], row["left_before"])
            assert members_at(before, key) == row["members_before"]
            counts[key] = (row["joined_after"], row["left_after"])
            assert members_at(counts, key) == row["members_after"]
    reached = {key: (members_at(counts, key), *row) for key, row in counts.items() if any(row)}
    assert reached == second[1]
    return len(changes)


async def test_any_two_readings_reconcile_to_the_last_row(database: Settings) -> None:
    """Late, tied and expiring events, lanes and epochs at different places."""
    histories = drawn_histories(60)
    rng = random.Random(7)  # noqa: S311 - the same each time
    taken: list[Any] = []
    async with connected(database) as connection:
        await put(connection, histories)
        await connection.execute("ALTER TABLE segments.event DISABLE TRIGGER ALL")
        await connection.execute(_DAYS)
        await connection.execute(PEOPLE, len(histories))
        await connection.execute("UPDATE projections.checkpoint SET next_offset = 0")
        lanes = dict(await connection.fetch("SELECT lane_id, next_offset FROM segments.lane"))
        places = dict.fromkeys(lanes, 0)
        taken.append(await read_daily(connection))
        while lanes:
            lane = rng.choice(list(lanes))
            until = min(lanes[lane], places[lane] + rng.choice([1, 5, 20]))
            async with connection.transaction():
                await connection.execute(f"SET LOCAL ROLE {ROLE}")
                await fold_range(connection, 0, lane, places[lane], until)
            places[lane] = until
            if until == lanes[lane]:
                del lanes[lane]
            taken.append(await read_daily(connection))
        assert len(taken[-1][1]) > 10
        told = [await reconcile(connection, taken[0], taken[-1])]
        for _ in range(12):
            first, second = sorted(rng.sample(range(len(taken)), 2))
            told.append(await reconcile(connection, taken[first], taken[second]))
        assert max(told) > 50
        with pytest.raises(asyncpg.InvalidParameterValueError, match="before the first"):
            await connection.fetch(_CHANGES, taken[-1][0], taken[0][0])


async def test_each_late_event_tells_which_days_it_altered_and_how(database: Settings) -> None:
    async with log(database) as (lane,):
        await lane.append(
            *(
                command_json(user=f"u{n}", user_status="enter", status_change_timestamp=NOON)
                for n in range(4)
            ),
            command_json(user="u0", user_status="leave", status_change_timestamp=NOON + 3 * DAY),
        )
        await fold(database)
        token = await value(database, "SELECT reporting.snapshot()")
        # u0 left a day earlier than was known, u1 too was late; the third changes nothing.
        await lane.append(
            command_json(user="u0", user_status="leave", status_change_timestamp=NOON + 2 * DAY),
            command_json(user="u1", user_status="leave", status_change_timestamp=NOON + 3 * DAY),
            command_json(user="u9", user_status="leave", status_change_timestamp=NOON),
        )
        await fold(database)
    columns = "user_id, day, members_before, members_after, joined_before, joined_after, left_before, left_after"
    found = await rows(database, f"SELECT {columns} FROM reporting.changes_between($1)", token)
    seventeen, eighteen = date(2023, 11, 17), date(2023, 11, 18)
    wanted = [
        ("u0", seventeen, 4, 3, 0, 0, 0, 1),
        ("u0", eighteen, 3, 3, 0, 0, 1, 0),
        ("u1", eighteen, 3, 2, 0, 0, 0, 1),
    ]
    assert [tuple(row.values()) for row in found] == wanted
    # All that was ever said was late, and the first five events are told, too.
    found = await rows(
        database,
        f"SELECT {columns} FROM reporting.retroactive_change WHERE network_id = 'n' AND segment_id = 1",
    )
    assert [tuple(row.values()) for row in found][-3:] == wanted
    assert len(found) == 8


async def test_what_happens_on_its_day_is_not_retroactive(database: Settings) -> None:
    now = int(datetime.now(UTC).timestamp())
    async with log(database) as (lane,):
        await lane.append(
            command_json(user="a", status_change_timestamp=now),
            command_json(user="b", status_change_timestamp=now - 2 * DAY),
        )
        await fold(database)
    found = await rows(database, "SELECT user_id FROM reporting.retroactive_change")
    assert [row["user_id"] for row in found] == ["b"]


async def test_the_same_changes_are_told_of_tokens_and_of_what_was_recorded(
    database: Settings,
) -> None:
    async with log(database, lanes=2) as lanes:
        for seed in range(6):
            await lanes[seed % 2].append(
                *(one.replace(b': "r', b': "%d-' % seed) for one in commands(seed, 30))
            )
            await fold(database)
            if seed == 2:
                token = await value(database, "SELECT reporting.snapshot()")
                since = await value(
                    database, "SELECT max(recorded_at) + interval '1 us' FROM segments.lane"
                )
    late = await rows(
        database,
        "SELECT * FROM reporting.retroactive_change WHERE recorded_at >= $1 ORDER BY recorded_at, event_id, day",
        since,
    )
    between = await rows(
        database,
        "SELECT * FROM reporting.changes_between($1) ORDER BY recorded_at, event_id, day",
        token,
    )
    assert late == between != []


async def test_the_late_commands_of_a_day_by_page_are_those_that_altered_it(
    database: Settings,
) -> None:
    async with log(database, lanes=2) as lanes:
        for seed in range(4):
            await lanes[seed % 2].append(
                *(one.replace(b': "r', b': "%d-' % seed) for one in commands(seed, 40))
            )
            await fold(database)
    late = await rows(
        database,
        "SELECT r.*, s.segment_key FROM reporting.retroactive_change AS r INNER JOIN segments.segment AS s"
        " USING (network_id, segment_id) WHERE r.segment_id = 1 ORDER BY r.recorded_at DESC, r.event_id",
    )
    assert len({row["day"] for row in late}) > 3
    async with connected(database) as connection:
        for day in sorted({row["day"] for row in late}):
            paged: list[Any] = []
            last: LateCommand | None = None
            while paged == [] or last is not None:
                page, last = await read_moved_day(connection, late[0]["segment_key"], day, 7, last)
                paged += page
            whole, none = await read_moved_day(connection, late[0]["segment_key"], day, 1_000)
            assert (paged, none) == (whole, None)
            # Each begins where the one before it ended.
            for newer, older in pairwise(whole):
                assert [newer[f"{name}_before"] for name in NUMBERS] == [
                    older[f"{name}_after"] for name in NUMBERS
                ]
            assert [whole[-1][f"{name}_before"] for name in NUMBERS] == [0, 0, 0]
            assert sorted(map(_numbers, (row for row in late if row["day"] == day))) == sorted(
                _numbers(row)
                for row in whole
                if row["joined_before"] != row["joined_after"]
                or row["left_before"] != row["left_after"]
            )
            assert all(
                row["is_altering"]
                == any(row[f"{name}_before"] != row[f"{name}_after"] for name in NUMBERS)
                for row in whole
            )


def _numbers(row: Any) -> tuple[Any, ...]:
    names = (f"{name}_{when}" for name in NUMBERS for when in ("before", "after"))
    return (row["user_id"], row["recorded_at"], *(row[name] for name in names))
