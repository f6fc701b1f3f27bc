"""What an analyst's login may try: locks, queries without end, plans that tell too much."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg

from tests.siege.hostile.target import GOOD, attacks

if TYPE_CHECKING:
    from tests.siege.hostile.target import Siege

LOCKS = ("segments.erasure", "segments.analyst", "segments.analyze", "segments.setup", "segments")
LONG = """
SELECT count(*) FROM reporting_network.event, generate_series(1, 1000000) AS a (n), generate_series(1, 1000000) AS b (m)
"""
PEEKS = (
    f"EXPLAIN ANALYZE SELECT * FROM reporting_network.user_segment WHERE user_id = '{GOOD}-1'",
    "EXPLAIN SELECT * FROM reporting_network.result",
    "SELECT * FROM segments.person",
    "SELECT pg_cancel_backend(pid), pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
)


async def _ask(siege: Siege, connection: asyncpg.Connection[asyncpg.Record], query: str) -> None:
    siege.tally["asked"] += 1
    try:
        await connection.fetch(query)
        siege.tally["answered"] += 1
    except asyncpg.PostgresError as error:
        siege.tally[type(error).__name__] += 1


async def _clients(siege: Siege, queries: list[str], count: int, pause: float) -> None:
    async def client() -> None:
        while True:
            try:
                connection = await asyncpg.connect(siege.target.login, timeout=20)
            except (OSError, TimeoutError, asyncpg.PostgresError) as error:
                siege.tally[type(error).__name__] += 1
                await asyncio.sleep(0.5)
                continue
            try:
                while not connection.is_closed():
                    await _ask(siege, connection, siege.rng.choice(queries))
                    await asyncio.sleep(pause)
            except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                siege.tally[type(error).__name__] += 1
            finally:
                connection.terminate()

    async with asyncio.TaskGroup() as clients:
        for _ in range(count):
            clients.create_task(client())


@attacks("asked", "TooManyConnectionsError")
async def locks(siege: Siege) -> None:
    """Every advisory lock whose number can be guessed, taken and kept."""
    queries = [f"SELECT pg_advisory_lock(hashtext('{name}'))" for name in LOCKS]
    queries += [f"SELECT pg_advisory_lock_shared(hashtext('{name}'))" for name in LOCKS]
    queries += ["SELECT pg_advisory_lock(n) FROM generate_series(0, 100) AS n"]
    await _clients(siege, queries, 4, 0.5)


@attacks("asked", "TooManyConnectionsError")
async def long_queries(siege: Siege) -> None:
    """Queries that would take hours."""
    await _clients(siege, [LONG], 4, 0.1)


@attacks("asked", "TooManyConnectionsError")
async def peeks(siege: Siege) -> None:
    """Plans, tables behind the views, other people's sessions."""
    await _clients(siege, list(PEEKS), 4, 0.05)
