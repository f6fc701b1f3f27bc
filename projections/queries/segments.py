"""The segments of a network with their sizes, and one segment: its size over time, definition and overrides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from projections.queries.rows import read_until_full
from service.postgres.database import statements
from service.runtime.errors import UnknownSegmentError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import asyncpg

    from projections.queries.rows import Row

_SQL = statements("projections.queries.sql")
# Keys that a page of disagreements reads, full or not: most keys agree.
MOST_KEYS = 40_000
SORTS = ("id", "name", "members", "pinned", "blocked")
UNITS = ("day", "week", "month")


@dataclass(frozen=True, slots=True)
class SegmentFilter:
    """Which segments to list, in which order. archived, visible: None for both. sort: one of SORTS."""

    text: str | None = None
    archived: bool | None = None
    visible: bool | None = None
    sort: str = "id"
    descending: bool = False


class Listed(NamedTuple):
    """A page of segments, and how many match in all."""

    segments: list[Row]
    matching: int


async def list_sizes(
    connection: asyncpg.Connection[Any],
    network_id: str,
    which: SegmentFilter,
    limit: int,
    offset: int = 0,
) -> Listed:
    """List a network's segments: registry and sizes. matching: 0 also on a page after the last."""
    found = await connection.fetch(
        _SQL["segment_list"],
        network_id, which.text, which.archived, which.visible, which.sort, which.descending, limit, offset,
    )  # fmt: skip
    return Listed([dict(row) for row in found], found[0]["matching"] if found else 0)


async def read_days(
    connection: asyncpg.Connection[Any], network_id: str, segment_ids: Sequence[int], since: date
) -> dict[int, dict[date, tuple[int, int]]]:
    """Return who joined and left, by segment and UTC day with a change, from `since` on."""
    days: dict[int, dict[date, tuple[int, int]]] = {one: {} for one in segment_ids}
    for row in await connection.fetch(_SQL["segment_days"], network_id, segment_ids, since):
        days[row["segment_id"]][row["day"]] = (row["joined"], row["departed"])
    return days


async def read_segment(
    connection: asyncpg.Connection[Any], network_id: str, segment_id: int
) -> Row:
    """Return one segment: registry, sizes, changes of membership and surrogate key. Raises: UnknownSegmentError."""
    row = await connection.fetchrow(_SQL["segment_head"], network_id, segment_id)
    if row is None:
        raise UnknownSegmentError(f"(network {network_id}, id {segment_id})")
    return dict(row)


async def read_calendar(
    connection: asyncpg.Connection[Any],
    network_id: str,
    segment_id: int,
    unit: str,
    since: date | None,
    until: date | None = None,
    zone: str = "UTC",
) -> list[Row]:
    """Return members at the end of each unit, and who joined and left in it, without gaps.

    unit: one of UNITS. since: None for the segment's first day. until: None for today. zone: in another than UTC every
    interval of the segment is read. restated_at: null there, else the newest recorded_at of the unit.
    """
    wanted = (network_id, segment_id, unit, since, until)
    if zone == "UTC":
        found = await connection.fetch(_SQL["segment_calendar"], *wanted)
    else:
        found = await connection.fetch(_SQL["segment_series"], *wanted, zone)
    return [dict(row) for row in found]


async def read_causes(
    connection: asyncpg.Connection[Any],
    segment_key: int,
    unit: str,
    since: date | None,
    until: date | None = None,
    zone: str = "UTC",
) -> list[Row]:
    """Return who joined (entered, added) and left (departed, blocked), by the units in which somebody did.

    Arguments as for `read_calendar`.
    """
    wanted = (segment_key, unit, since, until)
    if zone == "UTC":
        found = await connection.fetch(_SQL["segment_causes_kept"], *wanted)
    else:
        found = await connection.fetch(_SQL["segment_causes"], *wanted, zone)
    return [dict(row) for row in found]


async def read_versions(
    connection: asyncpg.Connection[Any], network_id: str, segment_id: int, limit: int
) -> list[Row]:
    """Return the versions of a segment's definition, newest first."""
    found = await connection.fetch(_SQL["segment_versions"], network_id, segment_id, limit)
    return [dict(row) for row in found]


async def read_overrides(
    connection: asyncpg.Connection[Any], segment_key: int, after: int, limit: int
) -> tuple[list[Row], int | None]:
    """Return standing overrides after person_id `after`, and the person_id to continue after; None at the end.

    connection: in a transaction. A page ends early at PAGE_BYTES.
    """
    overrides: list[Row] = []
    last = after
    async for row, is_full in read_until_full(
        connection, _SQL["overrides"], segment_key, after, limit + 1
    ):
        if is_full or len(overrides) == limit:
            return overrides, last
        last = row["person_id"]
        overrides.append(dict(row))
    return overrides, None


async def read_disagreements(
    connection: asyncpg.Connection[Any], segment_key: int, after: int, limit: int
) -> tuple[list[Row], int | None]:
    """Return keys without an override whose last automation outcome says otherwise, as `read_overrides` does.

    A page may have fewer, even none, without being the last: it also ends after MOST_KEYS keys.
    """
    found = await connection.fetch(_SQL["disagreements"], segment_key, after, MOST_KEYS, limit + 1)
    rows = [dict(row) for row in found if row["person_id"] is not None]
    if len(rows) > limit:
        return rows[:limit], rows[limit - 1]["person_id"]
    return rows, found[0]["last_key"] if found[0]["keys"] == MOST_KEYS else None
