"""Which days of segments moved between two states of the views, by what, and how many."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from projections.queries.snapshots import SECONDS, refused_snapshots
from service.postgres.database import statements

if TYPE_CHECKING:
    from datetime import date, datetime

    import asyncpg

    from projections.queries.rows import Row

_SQL = statements("projections.queries.sql")
_Segment = tuple[str, int]


class Cause(NamedTuple):
    """Events alike that altered a day: how many, and by how many they changed who joined and left on it."""

    user_status: str
    topic: str
    recorded_on: date
    events: int
    joined: int
    left: int


class MovedDay(NamedTuple):
    """A day of a segment that two readings of segment_size_daily show differently.

    carried: by how much what happened to earlier days moved its members. causes: what altered the day itself; none
    where all is carried.
    """

    network_id: str
    segment_id: int
    day: date
    members_before: int
    members_after: int
    joined_before: int
    joined_after: int
    left_before: int
    left_after: int
    carried: int
    causes: tuple[Cause, ...]


class Since(NamedTuple):
    """The first reading: with a snapshot, or of what was recorded before a time."""

    snapshot: str | None = None
    recorded: datetime | None = None


class LateCommand(NamedTuple):
    """The place of a late command among those of a day, and the day's numbers before it."""

    recorded_at: datetime
    topic: str
    partition: int
    epoch: int
    offset: int
    members: int
    joined: int
    left: int


_LATE = (
    "recorded_at", "topic", "partition", "epoch", "kafka_offset", "members_before", "joined_before", "left_before",
)  # fmt: skip


async def read_moved_days(
    connection: asyncpg.Connection[Any],
    since: Since,
    until: str | None,
    network_id: str | None,
    segment_id: int | None,
) -> tuple[list[MovedDay], int]:
    """Give the days that the first reading has, or lie before its last, and differ in the second; in a repeatable read.

    until: a snapshot, or None for now. Returns: days by segment, and how many rows the second has after the last of the
    first. Raises: SnapshotError.
    """
    first: defaultdict[_Segment, dict[date, tuple[int, int]]] = defaultdict(dict)
    changes: defaultdict[_Segment, defaultdict[date, list[Cause]]]
    changes = defaultdict(lambda: defaultdict(list))
    wanted = (network_id, segment_id)
    with refused_snapshots():
        rows = await connection.fetch(_SQL["moved_days"], *since, until, *wanted, timeout=SECONDS)
        for row in rows:
            change = Cause(*row[4:])
            changes[row["network_id"], row["segment_id"]][row["day"]].append(change)
        for row in await connection.fetch(_SQL["first_days"], *since, *wanted, timeout=SECONDS):
            days = first[row["network_id"], row["segment_id"]]
            days[row["day"]] = (row["joined"], row["departed"])
    moved: list[MovedDay] = []
    new = 0
    for segment, of_days in changes.items():
        last = max(first[segment], default=None)
        all_days = _compare(segment, first[segment], of_days)
        moved += [one for one in all_days if last is not None and one.day <= last]
        new += sum(1 for one in all_days if last is None or one.day > last)
    return moved, new


async def read_moved_day(
    connection: asyncpg.Connection[Any],
    segment_key: int,
    day: date,
    limit: int,
    before: LateCommand | None = None,
) -> tuple[list[Row], LateCommand | None]:
    """Return commands that came after a UTC day was over and happened on it or earlier, newest first.

    before: the last one of the page before. Each has the numbers of the day before and after it, and is_altering.
    Returns: at most `limit`, and the last one if there may be more.
    """
    found = await connection.fetch(
        _SQL["moved_day"], segment_key, day, limit, *(before or (None,) * len(LateCommand._fields))
    )
    last = LateCommand(*(found[-1][name] for name in _LATE)) if len(found) == limit else None
    return [dict(row) for row in found], last


def _compare(
    segment: _Segment, first: dict[date, tuple[int, int]], changes: dict[date, list[Cause]]
) -> list[MovedDay]:
    """Give the days that have another row than before, from the first that was altered on."""
    moved = []
    before = after = 0
    for day in sorted({*first, *changes}):
        joined, left = first.get(day, (0, 0))
        causes = tuple(changes.get(day, ()))
        more_joined = sum(cause.joined for cause in causes)
        more_left = sum(cause.left for cause in causes)
        carried = after - before
        before += joined - left
        after += joined + more_joined - left - more_left
        if more_joined or more_left or carried:
            moved.append(
                MovedDay(
                    *segment,
                    day,
                    before,
                    after,
                    joined,
                    joined + more_joined,
                    left,
                    left + more_left,
                    carried,
                    causes,
                )
            )
    return moved
