"""What the page of a segment shows, as its URL says: chart, list, time zone, and the moment of the list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from projections.http.cursors import MembersCursor, encoded, moment_of
from projections.queries.rows import Moment
from projections.queries.segments import UNITS
from service.http.kit.parameters import wrong

if TYPE_CHECKING:
    from datetime import date

    from projections.http.cursors import Cursors
    from segments.dashboard.visit import Visit

# The years that a moment may have; a time zone moves one of year 1 or 9999 out of what a datetime can be.
_FIRST_YEAR, _LAST_YEAR = 1970, 2100
LISTS = ("members", "overrides", "disagreements", "activity")
CHARTS = ("size", "causes")
# Of parameter `range`: the number of days up to today, None for all; and the units that it may have, the default first.
RANGES: dict[str, tuple[int | None, tuple[str, ...]]] = {
    "quarter": (90, ("day", "week", "month")),
    "year": (366, ("week", "day", "month")),
    "all": (None, ("month", "week")),
}
# Offered in the field of the time zone, which takes any other.
ZONES = (
    "UTC", "America/Los_Angeles", "America/Denver", "America/Chicago", "America/New_York", "America/Sao_Paulo",
    "Europe/London", "Europe/Berlin", "Europe/Kyiv", "Africa/Cairo", "Asia/Dubai", "Asia/Kolkata", "Asia/Singapore",
    "Asia/Tokyo", "Australia/Sydney",
)  # fmt: skip


class SegmentView(NamedTuple):
    """What is asked for. as_of, known_at: as they stand in the URL, in the time zone; None: now."""

    span: str
    unit: str
    chart: str
    which: str
    zone: str
    as_of: str | None
    known_at: str | None

    @property
    def tz(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.zone)

    @property
    def units(self) -> tuple[str, ...]:
        """The units that the range may have."""
        allowed = RANGES[self.span][1]
        return tuple(unit for unit in UNITS if unit in allowed)

    @property
    def since(self) -> date | None:
        """The first day of the chart, in the time zone; None for all."""
        days = RANGES[self.span][0]
        today = datetime.now(UTC).astimezone(self.tz).date()
        return None if days is None else today - timedelta(days=days - 1)

    @property
    def moment(self) -> Moment:
        """The moment of the list of members. Raises: Problem 400."""
        return Moment(
            _moment("as_of", self.as_of, self.tz), _moment("known_at", self.known_at, self.tz)
        )

    def parameters(self, **changed: object) -> dict[str, object]:
        """Return the parameters of the URL that shows this, some of them changed; defaults are left out."""
        span = changed.get("range", self.span)
        unit = changed.get("unit", self.unit)
        defaults = {
            "range": "quarter", "unit": RANGES[str(span)][1][0], "chart": "size", "list": "members", "tz": "UTC",
        }  # fmt: skip
        stated: dict[str, object] = {
            "range": span, "unit": unit if unit in RANGES[str(span)][1] else None, "chart": self.chart,
            "list": self.which, "tz": self.zone, "as_of": self.as_of, "known_at": self.known_at,
        }  # fmt: skip
        stated |= {name: value for name, value in changed.items() if name not in ("range", "unit")}
        return {name: value for name, value in stated.items() if value != defaults.get(name)}


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def read_view(visit: Visit) -> SegmentView:
    """Read the parameters. Raises: Problem 400."""
    span = _choice(visit, "range", tuple(RANGES))
    zone = visit.query("tz") or "UTC"
    if zone not in _known_zones():
        raise wrong("tz", "must be a time zone such as Europe/Berlin")
    view = SegmentView(
        span,
        _choice(visit, "unit", RANGES[span][1]),
        _choice(visit, "chart", CHARTS),
        _choice(visit, "list", LISTS),
        zone,
        visit.query("as_of"),
        visit.query("known_at"),
    )
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
