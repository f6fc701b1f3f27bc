"""A query of the views beside the same query of tables that hold their rows, made by hand in the same Postgres."""

from __future__ import annotations

import statistics
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.world import World

BY_HAND = "the same on tables by hand, ms"
TIMES = 5
_TABLES = Path(__file__).with_name("sql") / "by_hand.sql"


@asynccontextmanager
async def analyst_beside_tables(world: World) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Make the tables, and open a connection of an analyst's role that can read them."""
    await world.owner.execute(_TABLES.read_text(encoding="utf-8"), timeout=3600)
    await world.owner.execute("VACUUM ANALYZE", timeout=3600)
    analyst = await asyncpg.connect(
        world.url, server_settings={"role": "segments_report"}, command_timeout=600
    )
    try:
        yield analyst
    finally:
        await analyst.close()


async def time_both(analyst: asyncpg.Connection[Any], query: str) -> tuple[float, float]:
    """Return the median milliseconds of a query on the views, and on the tables; in turns, after one of each."""
    queries = (query, query.replace("reporting.", "by_hand."))
    times: dict[str, list[float]] = {one: [] for one in queries}
    for turn in range(TIMES + 1):
        for one in queries:
            began = time.perf_counter()
            if not await analyst.fetch(one):
                raise RuntimeError(f"no rows: {one}")
            if turn > 0:
                times[one].append((time.perf_counter() - began) * 1000)
    of_views, of_tables = (statistics.median(times[one]) for one in queries)
    return of_views, of_tables
