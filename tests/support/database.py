"""Reads the database in tests."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from projections.operations.status import wait_until_folded
from projections.operations.verify import verify
from service.postgres.database import database_url
from service.registry import segments as registry
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from service.runtime.settings import Settings


# As a superuser: disables all triggers, those with ENABLE ALWAYS included, and restores them.
_EACH_TABLE = """
DO $$
DECLARE
    name regclass;
BEGIN
    FOR name IN
        SELECT oid FROM pg_class WHERE relkind = 'r' AND relhastriggers
            AND relnamespace IN ('segments'::regnamespace, 'projections'::regnamespace)
    LOOP
        EXECUTE format('ALTER TABLE %s {}', name);
    END LOOP;
END $$;
"""
UNGUARDED = _EACH_TABLE.format("DISABLE TRIGGER ALL")
GUARDED = (
    _EACH_TABLE.format("ENABLE TRIGGER ALL")
    + """
DO $$
DECLARE
    made record;
BEGIN
    FOR made IN
        SELECT tgname, tgrelid::regclass AS of_table FROM pg_trigger
        WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'segments.%'
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', made.of_table, made.tgname);
    END LOOP;
END $$;
"""
)


@asynccontextmanager
async def connected(
    settings: Settings, role: str | None = None
) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Open a connection, as `role` or as the login itself."""
    connection = await asyncpg.connect(database_url(settings))
    try:
        if role is not None:
            await connection.execute(f"SET ROLE {role}")
        yield connection
    finally:
        await connection.close()


async def rows(settings: Settings, query: str, *arguments: Any) -> list[dict[str, Any]]:
    """Run one query."""
    async with connected(settings) as connection:
        return [dict(row) for row in await connection.fetch(query, *arguments)]


async def value(settings: Settings, query: str, *arguments: Any) -> Any:
    """Run one query with one value."""
    async with connected(settings) as connection:
        return await connection.fetchval(query, *arguments)


async def make_segments(
    settings: Settings, wanted: Iterable[tuple[str, int]] = (("n", 1),)
) -> None:
    """Create segments."""
    async with connected(settings) as connection:
        for network_id, segment_id in wanted:
            await registry.create(
                connection,
                network_id=network_id,
                segment_id=segment_id,
                name=f"segment {segment_id}",
            )


async def folded(settings: Settings, seconds: float = PATIENCE) -> None:
    """Wait until every projection contains everything that is in Kafka now."""
    async with connected(settings) as connection:
        behind = await wait_until_folded(connection, settings, seconds)
    assert behind == [], behind


async def sound(settings: Settings) -> None:
    """Check the guarantees: tiling, counters, uniqueness, and every view against the fold."""
    async with connected(settings) as connection:
        faults = await verify(connection)
    assert faults == [], faults


async def until(
    settings: Settings, query: str, check: Callable[[Any], bool] = bool, seconds: float = PATIENCE
) -> Any:
    """Wait until the value of a query passes the check; return the value."""
    deadline = time.monotonic() + seconds
    async with connected(settings) as connection:
        while True:
            result = await connection.fetchval(query)
            if check(result):
                return result
            if time.monotonic() > deadline:
                raise AssertionError(f"after {seconds} s still {result!r}: {query}")
            await asyncio.sleep(0.02)


async def erase(settings: Settings, user: str, network: str = "n") -> Any:
    """Erase a person, as an operator does; return the number of the erasure."""
    async with connected(settings, "segments_operate") as connection:
        return await connection.fetchval(
            "SELECT segments.erase_person($1, $2, 'officer', 'she asked')", network, user
        )
