"""What became of the lines of an import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.postgres.database import statements

if TYPE_CHECKING:
    import asyncpg

    from projections.queries.rows import Row

_SQL = statements("projections.queries.sql")


async def read_lines(
    connection: asyncpg.Connection[Any], network_id: str, import_id: str, after: int, limit: int
) -> list[Row]:
    """Return up to `limit` lines after a number: line, fault, position, and the columns of view result."""
    found = await connection.fetch(_SQL["import_lines"], network_id, import_id, after, limit)
    return [dict(row) for row in found]
