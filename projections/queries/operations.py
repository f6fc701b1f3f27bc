"""How the installation is doing: lanes, projections, watermarks, expiries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.postgres.database import statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from projections.queries.rows import Row

_SQL = statements("projections.queries.sql")


async def read_lanes(connection: asyncpg.Connection[Any], topics: Sequence[str]) -> list[Row]:
    """Return the lanes that are read or not projected: positions, lag, rate, the oldest waiting event."""
    return [dict(row) for row in await connection.fetch(_SQL["operations_lanes"], topics)]


async def read_summary(connection: asyncpg.Connection[Any]) -> Row:
    """Return the watermark, lapsing and overdue overrides, and the names of the projections."""
    row = await connection.fetchrow(_SQL["operations_summary"])
    assert row is not None  # noqa: S101 - the watermark has one row
    return dict(row)
