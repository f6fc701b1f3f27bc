"""The expected content of the tables, counted directly from the purchases, customer by customer.

Nothing here depends on the rules in rules.py or its records: membership on a day follows from the list of a customer's
visits. So it checks Segments and the rule engine. It holds for any order of arrival.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from examples.cdnow.broken import BROKEN
from examples.cdnow.by_hand import BY_HAND, of_key
from examples.cdnow.data import Purchase
from examples.cdnow.vocabulary import (
    CHURN_QUIET_DAYS,
    CHURNED,
    LAST_DAY,
    POWER_QUIET_DAYS,
    POWER_USER,
    POWER_VISITS,
    POWER_WINDOW_DAYS,
    REPEAT_BUYER,
    SEGMENTS,
    normalised,
    user_of,
)

AS_OF = (
    dt.datetime(1997, 6, 30, 23, 59, 59, tzinfo=dt.UTC),
    dt.datetime(1998, 6, 30, 23, 59, 59, tzinfo=dt.UTC),
)
"""The past moments at which sizes are counted as well; the second is before the last override."""

_Visits = list[dt.date]


class Expected(NamedTuple):
    """The expected figures after the first publication of all records, in any order."""

    records: int
    """Published; each ends as an event, a duplicate or a rejected record."""
    events: int
    duplicates: int
    rejected: dict[str, int]
    """How many by reason."""
    late: int
    """Of the events: published a month or more after their time, behind newer ones."""
    ineffective: int
    """Of the events: automation that an override made ineffective."""
    members: dict[int, int]
    """Current figures by segment_id, as in view `segment_size`; the next two as well."""
    added: dict[int, int]
    blocked: dict[int, int]
    members_as_of: dict[dt.datetime, dict[int, int]]
    """For each moment of AS_OF: members by segment_id, as in `reporting.membership_as_of`."""


def expected(purchases: Iterable[Purchase]) -> Expected:
    """Count everything."""
    days: defaultdict[str, set[dt.date]] = defaultdict(set)
    for purchase in purchases:
        days[user_of(purchase.customer)].add(purchase.day)
    visits = {user: sorted(of_user) for user, of_user in days.items()}
    outcomes = sum(_outcomes(of_user) for of_user in visits.values())
    repeated, late = outcomes // 100, (outcomes + 49) // 100
    rejected = Counter(b.reason for b in BROKEN) + Counter(conflict=1)
    events = outcomes + len(BY_HAND)
    now = dt.datetime(1999, 1, 1, tzinfo=dt.UTC)
    return Expected(
        records=events + repeated + rejected.total(),
        events=events,
        duplicates=repeated,
        rejected=dict(rejected),
        late=late + sum(h.published_at > h.at for h in BY_HAND),
        ineffective=sum(_ineffective(visits.get(u, []), u, s) for u, s in _keys_by_hand()),
        members=_members(visits, now),
        added=_standing("add"),
        blocked=_standing("block"),
        members_as_of={moment: _members(visits, moment) for moment in AS_OF},
    )


def _outcomes(visits: _Visits) -> int:
    """Count the outcomes of one customer: each enter and each leave."""
    gaps = [(b - a).days for a, b in pairwise(visits)]
    still = (LAST_DAY - visits[-1]).days
    repeat = int(len(visits) > 1)
    churn = 2 * sum(gap > CHURN_QUIET_DAYS for gap in gaps) + (still >= CHURN_QUIET_DAYS)
    power = 0
    for stretch in _stretches(visits):
        if any(_is_frequent(visits, day) for day in stretch):
            over = stretch[-1] != visits[-1] or still >= POWER_QUIET_DAYS
            power += 1 + over
    return repeat + churn + power


def _stretches(visits: _Visits) -> list[_Visits]:
    """Split the visits at gaps of more than POWER_QUIET_DAYS."""
    cuts = [n for n, (a, b) in enumerate(pairwise(visits), 1) if (b - a).days > POWER_QUIET_DAYS]
    return [visits[a:b] for a, b in pairwise([0, *cuts, len(visits)])]


def _is_frequent(visits: _Visits, day: dt.date) -> bool:
    """Whether the window that ends on that day has enough visits."""
    return sum(0 <= (day - v).days < POWER_WINDOW_DAYS for v in visits) >= POWER_VISITS


def _holds(segment_id: int, all_visits: _Visits, day: dt.date) -> bool:
    """Whether a customer is in the segment by rule at the end of that day."""
    visits = [v for v in all_visits if v <= day]
    if not visits or segment_id not in {REPEAT_BUYER, POWER_USER, CHURNED}:
        return False
    quiet = (day - visits[-1]).days
    if segment_id == REPEAT_BUYER:
        return len(visits) > 1
    if segment_id == CHURNED:
        return quiet >= CHURN_QUIET_DAYS
    stretch = _stretches(visits)[-1]
    return quiet < POWER_QUIET_DAYS and any(_is_frequent(visits, v) for v in stretch)


def _keys_by_hand() -> set[tuple[str, int]]:
    """List the (user, segment_id) with a manual override."""
    return {(normalised(h.user), h.segment_id) for h in BY_HAND}


def _members(visits: dict[str, _Visits], at: dt.datetime) -> dict[int, int]:
    """Count the members of each segment at a moment: by the rules, corrected by the overrides."""
    day = min(at.date(), LAST_DAY)
    members = {
        segment_id: sum(_holds(segment_id, of_user, day) for of_user in visits.values())
        for segment_id, _, _ in SEGMENTS
    }
    for user, segment_id in _keys_by_hand():
        of_user = visits.get(user, [])
        by_rule = _holds(segment_id, of_user, day)
        members[segment_id] += _is_member(of_user, user, segment_id, at) - by_rule
    return members


def _is_member(visits: _Visits, user: str, segment_id: int, at: dt.datetime) -> bool:
    """Whether a key with a manual override is a member: by the override, or by what came after it."""
    day = min(at.date(), LAST_DAY)
    hands = of_key(user, segment_id, int(at.timestamp()))
    if hands and hands[-1].user_status != "reset":
        return hands[-1].user_status == "add"
    if hands and not _changes(visits, segment_id, _day(hands[-1].at), day):
        return hands[-2].user_status == "add"
    return _holds(segment_id, visits, day)


def _changes(visits: _Visits, segment_id: int, after: dt.date, until: dt.date) -> int:
    """Count the days in (after, until] on which membership by rule changed."""
    days = [after + dt.timedelta(n) for n in range((until - after).days + 1)]
    held = [_holds(segment_id, visits, day) for day in days]
    return sum(a != b for a, b in pairwise(held))


def _ineffective(visits: _Visits, user: str, segment_id: int) -> int:
    """Count the outcomes for one key while an override stood."""
    hands = of_key(user, segment_id, BY_HAND[-1].at)
    ends = [_day(h.at) for h in hands[1:]] + [LAST_DAY]
    return sum(
        _changes(visits, segment_id, _day(hand.at), end)
        for hand, end in zip(hands, ends, strict=True)
        if hand.user_status != "reset"
    )


def _standing(user_status: str) -> dict[int, int]:
    """Count, by segment, the keys whose last manual command is that override."""
    last = {(normalised(h.user), h.segment_id): h.user_status for h in BY_HAND}
    standing = Counter(segment_id for (_, segment_id), s in last.items() if s == user_status)
    return {segment_id: standing[segment_id] for segment_id, _, _ in SEGMENTS}


def _day(at: int) -> dt.date:
    """Return the UTC day of Unix seconds."""
    return dt.datetime.fromtimestamp(at, dt.UTC).date()
