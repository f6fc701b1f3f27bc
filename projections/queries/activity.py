"""What happens in a segment now, and by whom: the newest records of each lane, so that the cost has a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.postgres.database import statements

if TYPE_CHECKING:
    import asyncpg

    from projections.queries.rows import Row

_SQL = statements("projections.queries.sql")
# Offsets of each open lane that are looked at: the log has no index by segment and time.
RECORDS_OF_A_LANE = 5_000
SOURCES_LIMIT, EVENTS_LIMIT = 50, 25
# Rows of a network's reads that are looked at.
READS_OF_A_NETWORK, READERS_LIMIT = 5_000, 50


async def read_sources(connection: asyncpg.Connection[Any], segment_key: int) -> list[Row]:
    """Return where a segment's latest events come from: topic, source, actor, events, last_received_at."""
    found = await connection.fetch(
        _SQL["recent_sources"], segment_key, RECORDS_OF_A_LANE, SOURCES_LIMIT
    )
    return [dict(row) for row in found]


async def read_recent(connection: asyncpg.Connection[Any], segment_key: int) -> list[Row]:
    """Return a segment's latest events, the last received first, each with is_projected."""
    found = await connection.fetch(
        _SQL["recent_events"], segment_key, RECORDS_OF_A_LANE, EVENTS_LIMIT
    )
    return [dict(row) for row in found]


async def read_readers(
    connection: asyncpg.Connection[Any], network_id: str, segment_id: int
) -> list[Row]:
    """Return who read a segment lately: actor, key_id, via, route, reads, rows_read, last_at; the last first."""
    found = await connection.fetch(
        _SQL["readers"], network_id, segment_id, READS_OF_A_NETWORK, READERS_LIMIT
    )
    return [dict(row) for row in found]
