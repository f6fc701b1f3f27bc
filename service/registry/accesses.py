"""Records who read whose data. Persons are named by number, so that an erasure needs to blank nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from service.postgres.database import statements

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg

SQL = statements("service.registry.sql")


class Access(NamedTuple):
    """What was read, and by whom.

    network_id: None for all. segment_id, user: None unless it was one; the user as normalised. route: the path of a
    route or page, or the name of a command.
    """

    network_id: str | None
    segment_id: int | None
    user: str | None
    actor: str
    key_id: str | None
    via: Literal["http", "page", "command"]
    route: str


class Reads:
    """How often something was read, with how many rows, and when. rows: None if they were not counted."""

    __slots__ = ("first_at", "last_at", "reads", "rows")

    def __init__(self, reads: int, rows: int | None, at: datetime) -> None:
        self.reads = reads
        self.rows = rows
        self.first_at = self.last_at = at

    def add(self, reads: int, rows: int | None, at: datetime) -> None:
        """Count more reads, the last of which was answered at `at`."""
        self.reads += reads
        if rows is not None:
            self.rows = rows + (self.rows or 0)
        self.last_at = max(self.last_at, at)


async def record_accesses(
    connection: asyncpg.Connection[Any], accesses: Mapping[Access, Reads]
) -> None:
    """Record reads, in one statement."""
    rows = [
        (*access, one.reads, one.rows, one.first_at, one.last_at)
        for access, one in accesses.items()
    ]
    await connection.execute(
        SQL["record_accesses"], *(list(part) for part in zip(*rows, strict=True))
    )


async def record_access(
    connection: asyncpg.Connection[Any], access: Access, rows: int | None = None
) -> None:
    """Record one read, now."""
    await record_accesses(connection, {access: Reads(1, rows, datetime.now(UTC))})
