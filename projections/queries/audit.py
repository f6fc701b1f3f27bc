"""The audit trail of a network: what was done besides commands, and who read its data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from service.postgres.database import statements

if TYPE_CHECKING:
    import asyncpg

    from projections.queries.rows import Row

_SQL = statements("projections.queries.sql")
KINDS = (
    "segment", "key", "grant", "source", "lane", "task", "retry", "erasure", "rejected_erasure"
)  # fmt: skip
VIAS = ("http", "page", "command")
ADMIN_COLUMNS = (
    "happened_at", "network_id", "actor", "kind", "change", "object", "before", "after",
)  # fmt: skip
ACCESS_COLUMNS = (
    "first_at", "last_at", "network_id", "actor", "key_id", "via", "route", "segment_id", "user_id", "reads",
    "rows_read",
)  # fmt: skip
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class TrailPlace(NamedTuple):
    """The place of an event in the trail."""

    happened_at: datetime
    kind: str
    number: int


NEWEST = TrailPlace(LAST, "", 0)


def place_of(event: Row) -> TrailPlace:
    """Return the place of a row of either list."""
    return TrailPlace(event["happened_at"], event["kind"], event["number"])


class TrailFilter(NamedTuple):
    """Which events to list. of_all: also those of no single network. actor: a part of it.

    object: as in the view; of a read a segment id or a user. kind: one of KINDS, of a read one of VIAS.
    """

    network_id: str
    of_all: bool = False
    actor: str | None = None
    object: str | None = None
    kind: str | None = None
    since: datetime = FIRST
    below: datetime = LAST


async def read_admin_events(
    connection: asyncpg.Connection[Any], which: TrailFilter, before: TrailPlace, limit: int
) -> list[Row]:
    """Return what was done, newest first; before and after as dicts."""
    found = await connection.fetch(_SQL["admin_events"], *which, *before, limit)
    return [
        dict(row) | {name: json.loads(row[name] or "{}") for name in ("before", "after")}
        for row in found
    ]


async def read_access_events(
    connection: asyncpg.Connection[Any], which: TrailFilter, before: TrailPlace, limit: int
) -> list[Row]:
    """Return who read what, newest first; last_at and via also as happened_at and kind."""
    found = await connection.fetch(_SQL["access_events"], *which, *before, limit)
    return [dict(row) | {"via": row["kind"], "last_at": row["happened_at"]} for row in found]
