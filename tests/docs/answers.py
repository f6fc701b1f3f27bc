"""The answers to the questions page, worked out in plain Python from the commands, by the oracle's fold."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tests.oracle import UNSPECIFIED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.oracle import Model, Row

NETWORK, SEGMENT = "acme", 1
DAY = timedelta(days=1)
Answer = list[dict[str, Any]]
ANSWERS: dict[str, Callable[[Model], Answer]] = {}


def answers(question: str) -> Callable[[Callable[[Model], Answer]], Callable[[Model], Answer]]:
    def keep(answer: Callable[[Model], Answer]) -> Callable[[Model], Answer]:
        ANSWERS[question] = answer
        return answer

    return keep


def ours(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["network_id"] == NETWORK]


def without(rows: list[Row], *columns: str) -> list[Row]:
    return [{name: row[name] for name in row if name not in columns} for row in rows]


def states(model: Model) -> Iterator[list[tuple[datetime, bool]]]:
    """Give for each user of the segment when they had events, and whether they were members after each."""
    for (network, segment, _), steps in model.keys().items():
        if (network, segment) == (NETWORK, SEGMENT):
            yield [(step.event.when, step.after.is_member) for step in steps]


def stays(model: Model) -> Iterator[list[tuple[datetime, datetime | None]]]:
    """Give for each user when they joined and left, by their state at the end of each second."""
    for events in states(model):
        found: list[tuple[datetime, datetime | None]] = []
        joined = None
        for when, is_member in dict(events).items():
            if is_member and joined is None:
                joined = when
            elif not is_member and joined is not None:
                found.append((joined, when))
                joined = None
        yield found if joined is None else [*found, (joined, None)]


def flips(model: Model) -> Iterator[tuple[datetime, bool]]:
    """Give each change of membership: when, and whether the user joined."""
    for events in states(model):
        was_member = False
        for when, is_member in events:
            if is_member != was_member:
                yield when, is_member
            was_member = is_member


def member_at(events: list[tuple[datetime, bool]], moment: datetime) -> bool:
    return [False, *(is_member for when, is_member in events if when <= moment)][-1]


def first_joined(events: list[tuple[datetime, bool]]) -> datetime | None:
    return min((when for when, is_member in events if is_member), default=None)


@answers("How large is each segment now?")
def sizes(model: Model) -> Answer:
    rows = without(ours(model.segment_size()), "network_id")
    return sorted(rows, key=lambda row: (-row["members"], row["segment_id"]))


@answers("How many joined and left by week?")
def weeks(model: Model) -> Answer:
    berlin = ZoneInfo("Europe/Berlin")
    changes = [
        (when.astimezone(berlin).replace(tzinfo=None), joins) for when, joins in flips(model)
    ]
    rows = []
    for number in range(5):
        week = datetime(2025, 3, 3) + number * 7 * DAY  # noqa: DTZ001 - local time
        until = [joins for when, joins in changes if when < week + 7 * DAY]
        within = [joins for when, joins in changes if week <= when < week + 7 * DAY]
        rows.append(
            {
                "week": week.date(),
                "members": until.count(True) - until.count(False),
                "members_joined": within.count(True),
                "members_left": within.count(False),
            }
        )
    return rows


@answers("Who pinned or blocked whom, and why?")
def overrides(model: Model) -> Answer:
    rows = sorted(ours(model.override()), key=lambda row: (row["segment_id"], row["user_id"]))
    rows.sort(key=lambda row: row["since"], reverse=True)
    names = (
        "user_id", "override", "since", "expires_at", "actor", "source", "description", "reference_id",
    )  # fmt: skip
    return [{name: row[name] for name in names} for row in rows[:100]]


@answers("How long does a member stay, on average?")
def average_stay(model: Model) -> Answer:
    lengths = [left - joined for of_user in stays(model) for joined, left in of_user if left]
    return [
        {"stays": len(lengths), "days": round(sum(lengths, timedelta()) / len(lengths) / DAY, 6)}
    ]


@answers("How many users are in two segments?")
def overlap(model: Model) -> Answer:
    members = defaultdict(set)
    for row in ours(model.membership()):
        members[row["segment_id"]].add(row["user_id"])
    return [
        {
            "segment_id": one,
            "other_segment_id": other,
            "members": len(members[one]),
            "members_of_both": len(members[one] & members[other]),
            "share": round(len(members[one] & members[other]) / len(members[one]), 4),
        }
        for one in (1, 2, 3)
        for other in (1, 2, 3)
        if one != other
    ]


@answers("How many are still members after 7, 30 and 90 days?")
def retention(model: Model) -> Answer:
    joined: Counter[int] = Counter()
    still: Counter[int] = Counter()
    for events in states(model):
        first = first_joined(events)
        if first is None or not datetime(2025, 1, 1, tzinfo=UTC) <= first < datetime(
            2025, 4, 1, tzinfo=UTC
        ):
            continue
        for days in (7, 30, 90):
            joined[days] += 1
            still[days] += member_at(events, first + days * DAY)
    return [
        {"days": days, "joined": joined[days], "still_members": still[days]} for days in (7, 30, 90)
    ]


@answers("How many left within 30 days of joining?")
def left_early(model: Model) -> Answer:
    joined: Counter[date] = Counter()
    early: Counter[date] = Counter()
    for of_user in stays(model):
        for began, ended in of_user:
            month = began.date().replace(day=1)
            joined[month] += 1
            early[month] += ended is not None and ended - began < 30 * DAY
    return [
        {"month": month, "joined": joined[month], "left_within_30_days": early[month]}
        for month in sorted(joined)
    ]


@answers("Where do overrides and automation disagree?")
def disagreements(model: Model) -> Answer:
    rows = [row for row in ours(model.user_segment()) if row["override"] is not None]
    said = Counter((row["segment_id"], row["override"], row["automation_says"]) for row in rows)
    return [
        {"segment_id": n, "kept_in": said[n, "add", "leave"], "kept_out": said[n, "block", "enter"]}
        for n in sorted({row["segment_id"] for row in rows})
    ]


@answers("Which campaigns brought the most members?")
def campaigns(model: Model) -> Answer:
    since = defaultdict(list)
    for row in ours(model.membership()):
        if row["segment_id"] == SEGMENT and not row["reference_id"].startswith("auto:"):
            since[row["reference_id"]].append(row["since"])
    rows = [
        {
            "reference_id": name,
            "members": len(times),
            "first_since": min(times),
            "last_since": max(times),
        }
        for name, times in since.items()
    ]
    return sorted(rows, key=lambda row: (-row["members"], row["reference_id"]))[:10]


@answers("How many were members on each local day?")
def local_days(model: Model) -> Answer:
    zone = ZoneInfo("America/New_York")
    rows = []
    for number in range(7, 14):
        start, end = (datetime(2025, 3, day, tzinfo=zone) for day in (number, number + 1))
        users = sum(
            member_at(events, start)
            or any(start < when < end and inside for when, inside in events)
            for events in states(model)
        )
        rows.append({"day": start.date(), "members": users})
    return rows


@answers("What happened to one user?")
def story(model: Model) -> Answer:
    said = {row["event_id"]: row for row in model.event()}
    rows = sorted(
        (row for row in ours(model.result()) if row["user_id"] == "jo@example.com"),
        key=lambda row: (
            row["status_change_timestamp"],
            row["received_at"],
            row["kafka_partition"],
            row["kafka_offset"],
        ),
    )
    own = (
        "status_change_timestamp",
        "segment_id",
        "user_status",
        "outcome",
        "changed_membership",
        "changed_override",
    )
    return [
        {name: row[name] for name in own}
        | {
            name: said.get(row["event_id"], {}).get(name)
            for name in ("source", "actor", "description")
        }
        | {"reference_id": None if row["reference_id"] is UNSPECIFIED else row["reference_id"]}
        for row in rows
    ]


@answers("What became of the commands of each day?")
def outcomes(model: Model) -> Answer:
    counted = Counter(
        (row["received_at"].date(), row["outcome"])
        for row in ours(model.result())
        if datetime(2025, 3, 1, tzinfo=UTC) <= row["received_at"] < datetime(2025, 4, 1, tzinfo=UTC)
    )
    return [
        {"day": day, "outcome": outcome, "commands": n}
        for (day, outcome), n in sorted(counted.items())
    ]


@answers("How many of each month's new members are still members?")
def cohorts(model: Model) -> Answer:
    joined: Counter[date] = Counter()
    still: Counter[date] = Counter()
    for events in states(model):
        first = first_joined(events)
        if first is not None:
            month = first.date().replace(day=1)
            joined[month] += 1
            still[month] += events[-1][1]
    return [
        {"month": month, "joined": joined[month], "still_members": still[month]}
        for month in sorted(joined)
    ]


def report_shown(model: Model, moment: datetime) -> Answer:
    """Answer what a report showed that was printed then."""
    rows = ours(model.membership_as_of(moment, moment))
    members = Counter({row["segment_id"]: 0 for row in rows})
    members.update(row["segment_id"] for row in rows if row["is_member"])
    return [{"segment_id": segment, "members": n} for segment, n in sorted(members.items())]


def increment(model: Model, first: datetime, until: datetime) -> Answer:
    """Answer what changed from one watermark to another."""
    rows = [row for row in ours(model.user_segment()) if first <= row["last_recorded_at"] < until]
    return sorted(
        rows, key=lambda row: (row["last_recorded_at"], row["segment_id"], row["user_id"])
    )
