"""What the views cost in schema reporting_network, over 1M events, beside the same in schema reporting.

A figure is the median time in which an analyst of the network reads all rows and columns of a view, inside Postgres;
and of looking up one user. Beside it is the time of an analyst of all networks, in turns.
"""

from __future__ import annotations

import secrets
import statistics
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from benchmarks.figure import Figure, Sample
from benchmarks.filling import Filling, fill
from benchmarks.load import NETWORK, user_name
from benchmarks.processes import run_command
from benchmarks.world import fresh_world
from service.registry import analysts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.figure import Limits
    from benchmarks.world import Place, World

EVENTS = 1_000_000
USERS = 120_000
TIMES = 5
LOOKUPS = 40
GOAL = 1.2
ALL_NETWORKS = "in schema reporting, ms"
VIEWS = (
    "membership", "override", "user_segment", "automation_disagreement", "membership_history", "event", "result",
    "segment_size", "segment_size_daily", "segment_size_calendar",
)  # fmt: skip
OF_ONE_USER = ("membership", "user_segment", "membership_history", "event", "result")


def _whole(view: str) -> str:
    return f"view {view} by network, all of 1M events"


def _one(view: str) -> str:
    return f"view {view} by network, one user"


def _met(value: float, beside: Limits) -> bool:
    return value <= GOAL * beside[ALL_NETWORKS]


FIGURES = tuple(
    Figure(name, f"≤ {GOAL} of schema reporting", "ms", _met)
    for name in (*map(_whole, VIEWS), *map(_one, OF_ONE_USER))
)


async def measure(place: Place) -> list[Sample]:
    """Measure each once."""
    async with fresh_world(place) as world, AsyncExitStack() as stack:
        await fill(world, Filling(place.scaled(EVENTS), place.scaled(USERS)))
        await run_command(world, "rebuild")
        await world.owner.execute("VACUUM ANALYZE", timeout=1200)
        of_network = await stack.enter_async_context(_analyst(world))
        of_all = await stack.enter_async_context(_connected(world, "segments_report", "reporting"))
        samples = []
        for view in VIEWS:
            query = (
                f"SELECT count(v) FROM (SELECT * FROM {view} WHERE network_id = '{NETWORK}') AS v"
            )
            times = await _time_both(of_network, of_all, [query] * TIMES)
            samples.append(Sample(_whole(view), times[0], {ALL_NETWORKS: times[1]}))
        for view in OF_ONE_USER:
            queries = [
                f"SELECT * FROM {view} WHERE network_id = '{NETWORK}' AND user_id = '{user_name(number)}'"
                for number in range(LOOKUPS)
            ]
            times = await _time_both(of_network, of_all, queries)
            samples.append(Sample(_one(view), times[0], {ALL_NETWORKS: times[1]}))
    return samples


@asynccontextmanager
async def _analyst(world: World) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Connect as a role that sees this network alone."""
    role = f"bench_{secrets.token_hex(4)}"
    await world.owner.execute(f"CREATE ROLE {role}")
    try:
        await analysts.grant(world.settings, role, NETWORK)
        async with _connected(world, role, "reporting_network") as connection:
            yield connection
    finally:
        await world.owner.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@asynccontextmanager
async def _connected(
    world: World, role: str, schema: str
) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(
        world.url, server_settings={"role": role, "search_path": schema}, command_timeout=600
    )
    try:
        yield connection
    finally:
        await connection.close()


async def _time_both(
    one: asyncpg.Connection[Any], other: asyncpg.Connection[Any], queries: list[str]
) -> tuple[float, float]:
    """Return the median milliseconds of the queries on each connection, in turns, after one that is not counted."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn, query in enumerate([queries[0], *queries]):
        for connection, mine in zip((one, other), times, strict=True):
            began = time.perf_counter()
            await connection.fetch(query)
            if turn > 0:
                mine.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[0]), statistics.median(times[1])
