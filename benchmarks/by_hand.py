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
    """Return the median milliseconds of a query on the views, and on the tables."""
    return await time_in_turns(analyst, query, query.replace("reporting.", "by_hand."))


async def time_in_turns(
    analyst: asyncpg.Connection[Any], of_views: str, of_tables: str
) -> tuple[float, float]:
    """Return the median milliseconds of two queries, in turns, after one of each."""
    queries = (of_views, of_tables)
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(TIMES + 1):
        for query, took in zip(queries, times, strict=True):
            began = time.perf_counter()
            if not await analyst.fetch(query):
                raise RuntimeError(f"no rows: {query}")
            if turn > 0:
                took.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[0]), statistics.median(times[1])
