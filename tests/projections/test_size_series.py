"""Sizes of a segment by day and by other units of time, without gaps; and what segments have in common."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from service.registry import analysts
from tests.projections.folding import commands, fold, log
from tests.support.cases import cases
from tests.support.database import connected, rows
from tests.support.lane import command_json

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
SERIES = "SELECT * FROM reporting.segment_size_series('n', 1, $1, $2, $3, $4)"
KATHMANDU = ZoneInfo("Asia/Kathmandu")
NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
async def filled(database: Settings) -> Settings:
    async with log(database, 2) as lanes:
        for lane, seed in zip(lanes, (1, 2), strict=True):
            await lane.append(*commands(seed, 120, users=20))
    await fold(database)
    return database


async def flips(settings: Settings) -> list[tuple[datetime, int]]:
    """Changes of membership in segment 1, with 1 or -1, from the history."""
    history = await rows(
        settings,
        "SELECT user_id, valid_from, is_member FROM reporting.membership_history WHERE segment_id = 1"
        " ORDER BY user_id, valid_from, valid_to NULLS LAST",
    )
    was: dict[str, bool] = {}
    changes = []
    for row in history:
        if row["is_member"] != was.get(row["user_id"], False):
            changes.append((row["valid_from"], 1 if row["is_member"] else -1))
        was[row["user_id"]] = row["is_member"]
    return changes


async def test_the_calendar_has_every_day_to_today_and_agrees_with_the_days_of_changes(
    filled: Settings,
) -> None:
    calendar = await rows(
        filled, "SELECT * FROM reporting.segment_size_calendar WHERE segment_id = 1 ORDER BY day"
    )
    days = [row["day"] for row in calendar]
    assert days[-1] == datetime.now(UTC).date()
    assert [day - days[0] for day in days] == [timedelta(nth) for nth in range(len(days))]
    changed = await rows(
        filled,
        "SELECT day, members, members_joined, members_left, restated_at FROM reporting.segment_size_daily"
        " WHERE segment_id = 1 ORDER BY day",
    )
    columns = tuple(changed[0])
    by_day = {row["day"]: tuple(row[name] for name in columns) for row in calendar}
    assert [by_day[row["day"]] for row in changed] == [tuple(row.values()) for row in changed]
    still = [row for row in calendar if row["day"] not in {other["day"] for other in changed}]
    assert len(still) > 10
    assert all(row["members_joined"] == row["members_left"] == 0 for row in still)
    steps = accumulate(row["members_joined"] - row["members_left"] for row in calendar)
    assert [row["members"] for row in calendar] == list(steps)


def local_start(at: datetime, unit: str, zone: ZoneInfo) -> datetime:
    local = at.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    if unit == "hour":
        return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    local = local.replace(hour=0)
    if unit == "week":
        local -= timedelta(local.weekday())
    if unit in ("month", "quarter", "year"):
        local = local.replace(day=1)
    if unit == "quarter":
        local = local.replace(month=(local.month - 1) // 3 * 3 + 1)
    if unit == "year":
        local = local.replace(month=1)
    return local


@cases(
    ("unit", "zone"),
    itertools.product(["hour", "day", "week", "month", "quarter", "year"], [KATHMANDU, NEW_YORK]),
)
async def test_a_series_counts_by_units_of_a_time_zone(
    filled: Settings, unit: str, zone: ZoneInfo
) -> None:
    changes = await flips(filled)
    first, last = min(changes)[0] + timedelta(hours=5), max(changes)[0] - timedelta(hours=5)
    series = await rows(filled, SERIES, first, last, unit, str(zone))
    starts = [row["starts_at"] for row in series]
    assert starts == sorted(set(starts))
    assert starts[0] == local_start(first, unit, zone)
    assert starts[-1] == local_start(last, unit, zone)
    assert starts == [local_start(start, unit, zone) for start in starts]
    joined, left = Counter[datetime](), Counter[datetime]()
    members = 0
    for at, sign in changes:
        start = local_start(at, unit, zone).astimezone(UTC)
        (joined if sign > 0 else left)[start] += 1
        members += sign * (start < starts[0])
    for row in series:
        start = row["starts_at"]
        members += joined[start] - left[start]
        assert tuple(row.values()) == (start, members, joined[start], left[start])


async def test_a_series_of_no_segment_is_empty_and_one_without_end_is_refused(
    filled: Settings,
) -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    of_none = (
        "SELECT FROM reporting.segment_size_series('n', 9, $1::timestamptz, $1 + interval '1 day')"
    )
    assert await rows(filled, of_none, day) == []
    assert await rows(filled, SERIES, day, day, "day", "UTC") == []
    for first, last, unit, zone in (
        (day, day, "fortnight", "UTC"), (day, day, None, "UTC"), (day, day, "day", "Nowhere"),
        (datetime(1, 1, 1, tzinfo=UTC), day, "hour", "UTC"),
    ):  # fmt: skip
        with pytest.raises(asyncpg.InvalidParameterValueError):
            await rows(filled, SERIES, first, last, unit, zone)
    with pytest.raises(asyncpg.InvalidParameterValueError, match="times"):
        await rows(filled, "SELECT FROM reporting.segment_size_series('n', 1, '-infinity', now())")


async def test_overlap_counts_who_is_in_both_for_each_pair(database: Settings) -> None:
    async with log(database, segments=[("n", 1), ("n", 2), ("n", 3), ("n", 4)]) as (lane,):
        members = {1: "abcd", 2: "cde", 3: "x"}
        await lane.append(
            *(command_json(user=user, segment_id=segment) for segment, users in members.items() for user in users),
            command_json(user="a", segment_id=2, user_status="block"),
        )  # fmt: skip
    await fold(database)
    pairs = await rows(database, "SELECT * FROM reporting.overlap('n', '{1, 2, 3, 4, 9}')")
    expected = [
        (
            one,
            other,
            len(members.get(one, "")),
            len({*members.get(one, "")} & {*members.get(other, "")}),
        )
        for one, other in itertools.permutations((1, 2, 3, 4), 2)
    ]
    assert [(*row.values(),)[:4] for row in pairs] == expected
    shares = {row["segment_id"]: row["share"] for row in pairs if row["other_segment_id"] == 2}
    assert shares == {1: Decimal("0.5"), 3: 0, 4: None}


async def test_an_analyst_of_a_network_sees_sizes_and_overlaps_of_that_one_alone(
    filled: Settings,
) -> None:
    role = f"analyst_{uuid.uuid4().hex[:12]}"
    questions = [
        "SELECT count(*) FROM reporting_network.segment_size_series('n', 1, '2026-01-01', '2026-02-01')",
        "SELECT count(*) FROM reporting_network.overlap('n', '{1, 2}')",
        "SELECT count(*) FROM reporting_network.segment_size_calendar",
    ]
    async with connected(filled) as owner:
        await owner.execute(f"CREATE ROLE {role}")
        for network, seen in (("another", False), ("n", True)):
            await analysts.grant(filled, role, network)
            async with connected(filled, role) as connection:
                answers = [await connection.fetchval(question) for question in questions]
            assert [answer > 0 for answer in answers] == [seen] * 3
        await owner.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
