"""Rejected records: list and show (`retries` publishes them again)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.postgres.database import statements
from service.runtime.errors import NotThereError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from schemas.position import Position

SQL = statements("service.operations.sql")


async def list_rejected(
    connection: asyncpg.Connection[Any],
    *,
    reason: str | None = None,
    network_id: str | None = None,
    retried: bool = True,
    limit: int = 100,
) -> Sequence[asyncpg.Record]:
    """List rejected records, newest first."""
    return await connection.fetch(SQL["list_rejected"], reason, network_id, retried, limit)


async def show_rejected(connection: asyncpg.Connection[Any], position: Position) -> asyncpg.Record:
    """Return one rejected record with record_key, headers and lane_id; within a rejected batch, its only row.

    Raises: NotThereError if there is none.
    """
    row: asyncpg.Record | None = await connection.fetchrow(SQL["show_rejected"], *position)
    if row is None:
        raise NotThereError(f"There is no rejected record at {position}.")
    return row
