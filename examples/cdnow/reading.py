"""Reads the reporting views as an analyst does, by SQL alone."""

import datetime as dt
from collections.abc import Iterable
from typing import Any, NamedTuple

import asyncpg

from examples.cdnow.expected import AS_OF, Expected
from examples.cdnow.vocabulary import NETWORK, SEGMENTS

OUTCOMES = """
SELECT 'events' AS outcome, count(*) AS records FROM reporting.event WHERE kafka_topic = $1
UNION ALL SELECT 'duplicates', count(*) FROM reporting.duplicate WHERE kafka_topic = $1
UNION ALL SELECT 'rejected: ' || reason, count(*) FROM reporting.rejected WHERE kafka_topic = $1 GROUP BY reason
"""
INEFFECTIVE = """
SELECT count(*) FROM reporting.result WHERE network_id = $1 AND outcome = 'ineffective'
"""
SIZES = (
    "SELECT segment_id, members, added, blocked FROM reporting.segment_size WHERE network_id = $1"
)
SIZES_AS_OF = """
SELECT segment_id, count(*) FILTER (WHERE is_member) AS members
FROM reporting.membership_as_of($1, network_id => $2) GROUP BY segment_id
"""

VIEWS = {
    "segment": "SELECT segment_id, segment_name, description, created_by FROM reporting.segment",
    "segment_history": (
        "SELECT segment_id, segment_name, archived, valid_from, valid_to, actor"
        " FROM reporting.segment_history"
    ),
    "membership": (
        "SELECT segment_name, user_id, since, cause, override, reference_id, metadata"
        " FROM reporting.membership WHERE segment_id = 2"
    ),
    "override": (
        "SELECT segment_name, user_id, override, is_member, since, description"
        " FROM reporting.override"
    ),
    "user_segment": (
        "SELECT segment_id, user_id, is_member, override, automation_says, member_since,"
        " last_change_at FROM reporting.user_segment WHERE override IS NOT NULL"
    ),
    "automation_disagreement": "SELECT * FROM reporting.automation_disagreement",
    "membership_history": (
        "SELECT segment_id, user_id, valid_from, valid_to, is_member, override, cause"
        " FROM reporting.membership_history"
        " WHERE network_id = 'cdnow' AND segment_id = 2 AND user_id = 'C-00609'"
    ),
    "retroactive_change": (
        "SELECT segment_id, user_id, day, members_before, members_after"
        " FROM reporting.retroactive_change WHERE segment_id = 2"
    ),
    "event": (
        "SELECT kafka_partition, kafka_offset, user_id, user_sent, user_status,"
        " status_change_timestamp, source FROM reporting.event WHERE user_sent <> user_id"
    ),
    "rejected": "SELECT kafka_partition, kafka_offset, reason, detail FROM reporting.rejected",
    "rejected_retry": "SELECT retried_at, reason, retried_as, outcome FROM reporting.rejected_retry",
    "duplicate": (
        "SELECT kafka_partition, kafka_offset, received_at, duplicate_of_event_id"
        " FROM reporting.duplicate"
    ),
    "hole": "SELECT * FROM reporting.hole",
    "admin_event": (
        "SELECT happened_at, actor, kind, change, object, after FROM reporting.admin_event"
        " ORDER BY happened_at DESC"
    ),
    "access_event": (
        "SELECT last_at, actor, via, route, segment_id, user_id, reads FROM reporting.access_event"
        " ORDER BY last_at DESC"
    ),
    "result": (
        "SELECT reference_id, user_status, outcome, changed_membership, changed_override"
        " FROM reporting.result WHERE network_id = 'cdnow' AND reference_id LIKE 'cdnow:hand:%'"
    ),
    "segment_size_daily": (
        "SELECT segment_name, day, members, members_joined, members_left"
        " FROM reporting.segment_size_daily WHERE segment_id = 2 ORDER BY day DESC"
    ),
    "segment_size_calendar": (
        "SELECT segment_name, day, members, members_joined, members_left"
        " FROM reporting.segment_size_calendar WHERE segment_id = 2 ORDER BY day"
    ),
    "lane": (
        "SELECT kafka_partition, first_offset, next_offset, events, duplicates, rejected, holes,"
        " stopped_because FROM reporting.lane"
    ),
    "freshness": (
        "SELECT projection, kafka_partition, kafka_end_offset, log_offset, projected_offset,"
        " ingest_behind, projection_behind FROM reporting.freshness"
    ),
    "watermark": "SELECT * FROM reporting.watermark",
}
"""A query of each view, except those that are elsewhere in the report."""


class Line(NamedTuple):
    """One figure: counted in the file, and in the views."""

    what: str
    expected: int
    found: int


class Look(NamedTuple):
    """A few rows of a query, and their total."""

    rows: list[dict[str, Any]]
    total: int


class Found(NamedTuple):
    """The figures of the views."""

    outcomes: dict[str, int]
    sizes: list[Line]
    sizes_as_of: list[Line]
    ineffective: Line


async def read_outcomes(database_url: str, topic: str) -> dict[str, int]:
    """Count the records of a topic by outcome; outcomes that did not occur are absent."""
    rows = await _fetch(database_url, OUTCOMES, topic)
    return {row["outcome"]: row["records"] for row in rows}


async def read_all(database_url: str, topic: str, wanted: Expected) -> Found:
    """Read every figure that can also be counted in the file."""
    connection = await asyncpg.connect(database_url)
    try:
        sizes = {
            (row["segment_id"], column): row[column]
            for row in await connection.fetch(SIZES, NETWORK)
            for column in ("members", "added", "blocked")
        }
        as_of = {
            (moment, row["segment_id"]): row["members"]
            for moment in AS_OF
            for row in await connection.fetch(SIZES_AS_OF, moment, NETWORK)
        }
        ineffective = await connection.fetchval(INEFFECTIVE, NETWORK)
    finally:
        await connection.close()
    return Found(
        await read_outcomes(database_url, topic),
        [
            Line(f"{name}: {column}", getattr(wanted, column)[n], sizes.get((n, column), 0))
            for n, name, _ in SEGMENTS
            for column in ("members", "added", "blocked")
        ],
        [
            Line(f"{name}: members on {_day(moment)}", expected[n], as_of.get((moment, n), 0))
            for n, name, _ in SEGMENTS
            for moment, expected in wanted.members_as_of.items()
        ],
        Line("automation without effect", wanted.ineffective, ineffective),
    )


def outcome_lines(
    wanted: Expected, before: dict[str, int], after: dict[str, int]
) -> Iterable[Line]:
    """Compare what this run added. In a second run every command that was accepted is a duplicate."""
    again = bool(before.get("events"))
    counted = {
        "events": 0 if again else wanted.events,
        "duplicates": wanted.duplicates + (wanted.events if again else 0),
        **{f"rejected: {reason}": count for reason, count in wanted.rejected.items()},
    }
    for what in {**counted, **after}:
        yield Line(what, counted.get(what, 0), after.get(what, 0) - before.get(what, 0))


async def look(database_url: str, rows: int) -> dict[str, Look]:
    """Read a few rows of each view."""
    looks = {}
    for view, query in VIEWS.items():
        few = [dict(row) for row in await _fetch(database_url, f"{query} LIMIT {rows}")]
        (counted,) = await _fetch(database_url, f"SELECT count(*) FROM ({query}) AS found")  # noqa: S608 - our own queries
        looks[view] = Look(few, counted["count"])
    return looks


async def _fetch(database_url: str, query: str, *arguments: Any) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database_url)
    try:
        return list(await connection.fetch(query, *arguments))
    finally:
        await connection.close()


def _day(moment: dt.datetime) -> str:
    return moment.date().isoformat()
