"""What the page of a segment shows, as its URL says: chart, list, time zone, and the moment of the list."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from projections.http.cursors import MembersCursor, encoded, moment_of
from projections.http.query_parameters import SNAPSHOT_LONGEST
from projections.queries.rows import Moment
from projections.queries.segments import UNITS
from service.http.kit.parameters import wrong

if TYPE_CHECKING:
    from projections.http.cursors import Cursors
    from segments.dashboard.visit import Visit

# The years that a moment may have; a time zone moves one of year 1 or 9999 out of what a datetime can be.
_FIRST_YEAR, _LAST_YEAR = 1970, 2100
_FIRST_DAY, _LAST_DAY = date(_FIRST_YEAR, 1, 1), date(_LAST_YEAR, 12, 31)
LISTS = ("members", "overrides", "disagreements", "activity", "readers")
CHARTS = ("size", "causes")
# Of parameter `range`: the number of days up to today, None for all; and the units that it may have, the default first.
RANGES: dict[str, tuple[int | None, tuple[str, ...]]] = {
    "quarter": (90, ("day", "week", "month")),
    "year": (366, ("week", "day", "month")),
    "all": (None, ("month", "week")),
}
# The units of a stretch that is zoomed into, by its most days; and the fewest days of one.
_ZOOMED = ((400, ("day", "week", "month")), (3_700, ("week", "month")), (99_999, ("month",)))
FEWEST_DAYS = 7
# Offered in the field of the time zone, which takes any other.
ZONES = (
    "UTC", "America/Los_Angeles", "America/Denver", "America/Chicago", "America/New_York", "America/Sao_Paulo",
    "Europe/London", "Europe/Berlin", "Europe/Kyiv", "Africa/Cairo", "Asia/Dubai", "Asia/Kolkata", "Asia/Singapore",
    "Asia/Tokyo", "Australia/Sydney",
)  # fmt: skip


class SegmentView(NamedTuple):
    """What is asked for. as_of, known_at: as they stand in the URL, in the time zone; None: now.

    span: one of RANGES, unless the chart is zoomed to the days `first` to `last`. snapshot: a token, or None.
    """

    span: str
    first: date | None
    last: date | None
    unit: str
    chart: str
    which: str
    zone: str
    as_of: str | None
    known_at: str | None
    snapshot: str | None

    @property
    def tz(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.zone)

    @property
    def units(self) -> tuple[str, ...]:
        """The units that the range may have."""
        allowed = _units(self.span, self.first, self.last)
        return tuple(unit for unit in UNITS if unit in allowed)

    @property
    def since(self) -> date | None:
        """The first day of the chart, in the time zone; None for all."""
        if self.first is not None:
            return self.first
        days, today = RANGES[self.span][0], self.today
        return None if days is None else today - timedelta(days=days - 1)

    @property
    def has_moves(self) -> bool:
        """Whether the table of the chart has UTC days, which may have moved once they were over."""
        return (self.chart, self.unit, self.zone) == ("size", "day", "UTC")

    @property
    def today(self) -> date:
        """Today, in the time zone."""
        return datetime.now(UTC).astimezone(self.tz).date()

    def zooms(self, begin: date | None) -> dict[str, dict[str, object]]:
        """Return the parameters of the stretches around this one. begin: its first day, if none is asked for."""
        first = self.since or begin or self.today
        last = self.last or self.today
        days = max(FEWEST_DAYS, (last - first).days + 1)
        half = timedelta(days=days // 2)
        stretches = {
            "earlier": (first - half, last - half),
            "later": (first + half, last + half),
            "in": (first + half / 2, last - half / 2),
            "out": (first - half, last + half),
        }
        return {
            name: {"first": max(_FIRST_DAY, one), "last": min(self.today, other)}
            for name, (one, other) in stretches.items()
            if (name != "later" or last < self.today) and (name != "in" or days >= 2 * FEWEST_DAYS)
        }

    @property
    def moment(self) -> Moment:
        """The moment of the list of members. Raises: Problem 400."""
        return Moment(
            _moment("as_of", self.as_of, self.tz),
            _moment("known_at", self.known_at, self.tz),
            self.snapshot,
        )

    def parameters(self, **changed: object) -> dict[str, object]:
        """Return the parameters of the URL that shows this, some of them changed; defaults are left out.

        Another range ends a zoom, and a zoom another range.
        """
        stated: dict[str, object] = {
            "range": self.span, "from": self.first, "to": self.last, "unit": self.unit, "chart": self.chart,
            "list": self.which, "tz": self.zone, "as_of": self.as_of, "known_at": self.known_at,
            "snapshot": self.snapshot,
        }  # fmt: skip
        if "range" in changed:
            stated |= {"from": None, "to": None}
        stated |= {
            {"first": "from", "last": "to"}.get(name, name): changed[name] for name in changed
        }
        units = _units(str(stated["range"]), stated["from"], stated["to"])
        if stated["unit"] not in units:
            stated["unit"] = None
        defaults = {
            "range": "quarter",
            "unit": units[0],
            "chart": "size",
            "list": "members",
            "tz": "UTC",
        }
        return {name: value for name, value in stated.items() if value != defaults.get(name)}


def _units(span: str, first: Any, last: Any) -> tuple[str, ...]:
    """Return the units of a range, or of the days of a zoom; the default first."""
    if first is None or last is None:
        return RANGES[span][1]
    days = (last - first).days
    return next(units for most, units in _ZOOMED if days <= most)


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def read_view(visit: Visit) -> SegmentView:
    """Read the parameters. Raises: Problem 400."""
    span = _choice(visit, "range", tuple(RANGES))
    zone = visit.query("tz") or "UTC"
    if zone not in _known_zones():
        raise wrong("tz", "must be a time zone such as Europe/Berlin")
    first, last = _day(visit, "from"), _day(visit, "to")
    if (first is None) != (last is None):
        raise wrong("from" if first is None else "to", "is required too")
    if first is not None and last is not None and last < first:
        raise wrong("to", "must not be before from")
    view = SegmentView(
        span,
        first,
        last,
        _choice(visit, "unit", _units(span, first, last)),
        _choice(visit, "chart", CHARTS),
        _choice(visit, "list", LISTS),
        zone,
        visit.query("as_of"),
        visit.query("known_at"),
        visit.query("snapshot"),
    )
    if view.snapshot and view.known_at:
        raise wrong("snapshot", "can't be combined with known at")
    if len(view.snapshot or "") > SNAPSHOT_LONGEST:
        raise wrong("snapshot", "is not a token")
    if any(view.moment) and view.which != "members":
        raise wrong("as_of", "applies to the list of members")
    return view


def read_after(cursors: Cursors, visit: Visit, moment: Moment) -> int:
    """Return the person_id to continue after. Raises: Problem 400."""
    text = visit.query("cursor")
    if text is None:
        return 0
    cursor = cursors.read(text, MembersCursor)
    if (cursor.network_id, cursor.segment_id) != (visit.network_id, visit.segment_id):
        raise wrong("cursor", "belongs to another segment")
    moment_of(cursor, moment)
    return cursor.after


def following(cursors: Cursors, visit: Visit, moment: Moment, last: int | None) -> str | None:
    """Return the cursor of the next page; None at the end."""
    if last is None:
        return None
    return cursors.encode(MembersCursor(visit.network_id, visit.segment_id, *encoded(moment), last))


def _choice(visit: Visit, name: str, choices: tuple[str, ...]) -> str:
    """Return the value of a parameter, by default the first. Raises: Problem 400."""
    value = visit.query(name) or choices[0]
    if value not in choices:
        raise wrong(name, f"must be one of {', '.join(choices)}")
    return value


def _day(visit: Visit, name: str) -> date | None:
    """Return a day of the URL. Raises: Problem 400."""
    day = visit.day(name)
    if day is None:
        return None
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise wrong(name, f"must be in {_FIRST_YEAR} to {_LAST_YEAR}")
    return day


def _moment(name: str, text: str | None, zone: ZoneInfo) -> datetime | None:
    """Read a time of a form, without an offset in the time zone. Raises: Problem 400."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise wrong(name, "must be a date and a time") from None
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise wrong(name, f"must be in {_FIRST_YEAR} to {_LAST_YEAR}")
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
