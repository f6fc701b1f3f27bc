"""Geometry of the drawings, which templates write as SVG."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from projections.queries.rows import Row

SPARK_DAYS = 90
WIDTH, HEIGHT = 720, 200


class Line(NamedTuple):
    """A line in a box of WIDTH by HEIGHT. points: of an SVG polyline. area: the same, closed at the bottom."""

    points: str
    area: str
    least: int
    most: int
    is_flat: bool


class Movement(NamedTuple):
    """Who joined and left a segment in the last 7 and 30 days, and the sizes of the last 90 days as a line."""

    joined_7: int
    left_7: int
    joined_30: int
    left_30: int
    spark: Line


def draw(values: Sequence[int], width: int = WIDTH, height: int = HEIGHT) -> Line:
    """Draw values at equal distances, from the least (or 0, if that is near) to the most."""
    most = max(values, default=0)
    least = min(values, default=0)
    floor = 0 if least < most / 2 or least == most else least
    span = (most - floor) or 1
    step = width / max(1, len(values) - 1)
    places = [
        (nth * step, height - (value - floor) * height / span) for nth, value in enumerate(values)
    ]
    if len(places) == 1:
        places.append((width, places[0][1]))
    # Between equal neighbours a point shows nothing.
    corners = [
        place
        for nth, place in enumerate(places)
        if not 0 < nth < len(places) - 1
        or places[nth - 1][1] != place[1]
        or place[1] != places[nth + 1][1]
    ]
    points = " ".join(f"{round(x, 1):g},{round(y, 1):g}" for x, y in corners)
    area = f"0,{height} {points} {width},{height}" if points else ""
    return Line(points, area, floor, most, is_flat=len(set(values)) <= 1 < len(values))


def movement(members: int, days: Mapping[date, tuple[int, int]], today: date) -> Movement:
    """Work a segment's last days out, backwards from its members now.

    days: who joined and left, from SPARK_DAYS before today on.
    """

    def over(length: int, part: int) -> int:
        since = today - timedelta(days=length - 1)
        return sum(moved[part] for day, moved in days.items() if day >= since)

    # Days after today: events may be a few minutes ahead.
    size = members - sum(joined - left for day, (joined, left) in days.items() if day > today)
    sizes = []
    for nth in range(SPARK_DAYS):
        sizes.append(size)
        joined, left = days.get(today - timedelta(days=nth), (0, 0))
        size -= joined - left
    return Movement(over(7, 0), over(7, 1), over(30, 0), over(30, 1), draw(sizes[::-1], 90, 20))


class Bar(NamedTuple):
    """An interval in a lane of WIDTH. kind: automation, add, block."""

    x: float
    width: float
    kind: str
    valid_from: datetime
    valid_to: datetime | None


def lanes(intervals: Sequence[Row], now: datetime) -> tuple[dict[int, list[Bar]], datetime]:
    """Place a user's intervals by segment on one axis of time, which ends now; return them and its beginning."""
    begin = min((one["valid_from"] for one in intervals), default=now)
    begin = min(begin, now - timedelta(days=1))
    span = (now - begin).total_seconds()

    def place(at: datetime) -> float:
        return max(0.0, min(1.0, (at - begin).total_seconds() / span)) * WIDTH

    by_segment: dict[int, list[Bar]] = {}
    for one in reversed(intervals):
        x = place(one["valid_from"])
        # An interval of no length is shown too.
        width = max(2.0, place(one["valid_to"] or now) - x)
        kind = one["override"] or "automation"
        bar = Bar(
            round(min(x, WIDTH - 2.0), 1), round(width, 1), kind, one["valid_from"], one["valid_to"]
        )
        by_segment.setdefault(one["segment_id"], []).append(bar)
    return by_segment, begin


class Column(NamedTuple):
    """A unit's bars in a box of WIDTH by HEIGHT, whose middle is nobody: who joined above, who left below.

    Each part is (kind, y, height), kind one of automation, add, block.
    """

    x: float
    width: float
    starts_on: date
    parts: list[tuple[str, float, float]]


_LENGTHS = {"day": 1, "week": 7, "month": 30.44}


def bars(causes: Sequence[Row], unit: str) -> list[Column]:
    """Place who joined and left, by cause, on an axis from the first of these units to the last."""
    if not causes:
        return []
    middle = HEIGHT / 2
    most = max(
        max(one["entered"] + one["added"], one["departed"] + one["blocked"]) for one in causes
    )
    scale = middle / (most or 1)
    first = causes[0]["starts_on"]
    units = (causes[-1]["starts_on"] - first).days / _LENGTHS[unit] + 1
    width = WIDTH / units
    columns = []
    for one in causes:
        x = (one["starts_on"] - first).days / _LENGTHS[unit] * width
        entered, added = one["entered"] * scale, one["added"] * scale
        departed, blocked = one["departed"] * scale, one["blocked"] * scale
        parts = [
            ("automation", middle - entered, entered),
            ("add", middle - entered - added, added),
            ("automation", middle, departed),
            ("block", middle + departed, blocked),
        ]
        columns.append(
            Column(
                round(x, 1),
                round(max(1.0, width * 0.8), 1),
                one["starts_on"],
                [(kind, round(y, 1), round(height, 1)) for kind, y, height in parts if height],
            )
        )
    return columns
