"""The rejected records of a network: groups by reason and topic, and the records of a group."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.command.refusal import Reason
from service.postgres.database import statements

if TYPE_CHECKING:
    from datetime import date

    import asyncpg

    from projections.queries.rows import Row

_SQL = statements("projections.queries.sql")


class RejectedPlace(NamedTuple):
    """The place of a record in its group."""

    recorded_at: datetime
    partition: int
    offset: int


COLUMNS = (
    "position", "reason", "received_at", "recorded_at", "detail", "reference_id", "segment_id", "user_status",
    "has_payload", "retried_at", "retried_as", "retried_by", "outcome", "outcome_reason",
)  # fmt: skip
GROUP_COLUMNS = ("reason", "topic", "records", "new_records", "first_at", "last_at")
NEWEST = RejectedPlace(datetime.max.replace(tzinfo=UTC), 0, 0)


def place_of(record: Row) -> RejectedPlace:
    """Return the place of a record in its group."""
    return RejectedPlace(record["recorded_at"], record["partition"], record["kafka_offset"])


class RejectedGroup(NamedTuple):
    """Rejected records of a network. retried: whether they were; None for both."""

    network_id: str
    reason: str
    topic: str
    retried: bool | None = None


async def read_groups(
    connection: asyncpg.Connection[Any], network_id: str, since: date
) -> list[Row]:
    """Return reason, topic, records, new_records (not retried), first_at and last_at; the newest first.

    since: a UTC day; earlier records are not counted.
    """
    found = await connection.fetch(_SQL["rejected_groups"], network_id, since, list(Reason))
    return [dict(row) for row in found]


async def read_group_days(
    connection: asyncpg.Connection[Any], network_id: str, since: date
) -> dict[tuple[str, str], dict[date, int]]:
    """Return the records of each reason and topic by UTC day, from `since` on."""
    days: dict[tuple[str, str], dict[date, int]] = {}
    for row in await connection.fetch(_SQL["rejected_days"], network_id, since, list(Reason)):
        days.setdefault((row["reason"], row["topic"]), {})[row["day"]] = row["records"]
    return days


async def read_records(
    connection: asyncpg.Connection[Any],
    group: RejectedGroup,
    before: RejectedPlace,
    limit: int,
    shown: str | None = None,
) -> list[Row]:
    """Return records, newest first, with their last retry and its outcome. shown: the position of a wanted payload."""
    network_id, *rest = group
    found = await connection.fetch(
        _SQL["rejected_records"], network_id, *rest, *before, limit, shown
    )
    return [dict(row) | {"reason": group.reason} for row in found]
