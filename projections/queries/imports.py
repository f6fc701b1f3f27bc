"""What became of the lines of an import, and what its users were before it."""

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


async def count_waiting(
    connection: asyncpg.Connection[Any], network_id: str, import_id: str
) -> int:
    """Return how many commands of an import are not in the projections yet."""
    waiting: int = await connection.fetchval(_SQL["import_waiting"], network_id, import_id)
    return waiting


async def read_undone(
    connection: asyncpg.Connection[Any], network_id: str, import_id: str
) -> list[Row]:
    """Return the users of an import by segment: is_member, override and expires_at now, and what they were before.

    is_changed_since: another add, block or reset came since. automation_since: what automation has said since;
    None if nothing.
    """
    found = await connection.fetch(_SQL["import_undone"], network_id, import_id)
    return [dict(row) for row in found]
