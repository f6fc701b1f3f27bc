"""A segment of a million members: the queries of docs/analysts/large-segments.md, and pages over HTTP.

A figure is the median time until all rows are there, from some place within the segment. Beside a query is the same on
tables by hand (`benchmarks/sql/by_hand.sql`), beside a page over HTTP the query of the same page. As many users again
have left the segment.
"""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.by_hand import BY_HAND, TIMES, analyst_beside_tables, time_both
from benchmarks.figure import Figure, Sample
from benchmarks.filling import LANES, Filling, fill
from benchmarks.load import NETWORK, user_name
from benchmarks.processes import run_command
from benchmarks.serving import calling_api
from benchmarks.world import fresh_world
from service.registry.api_keys import Scope, create_key
from tests.docs.questions import LARGE_SEGMENTS, read_queries

if TYPE_CHECKING:
    import httpx

    from benchmarks.world import Place

USERS = 2_000_000  # one event each, half of which makes a member
GOAL_MS = 50
PAGES = 5  # of 5,000 members, before the page that is measured
BY_SQL = "the page by SQL, ms"
OVER_HTTP = {
    "a page of 500 members over HTTP": ({}, "Page by user"),
    "a page of 500 members over HTTP, by since": ({"sort": "since"}, "Page by since"),
    "the five newest members over HTTP": (
        {"sort": "-since", "limit": "5"},
        "List the newest members",
    ),
}


def _name(heading: str) -> str:
    return f"1M members: {heading[0].lower()}{heading[1:]}"


FIGURES = tuple(
    Figure(_name(heading), f"≤ {GOAL_MS} ms", "ms", lambda value, _: value <= GOAL_MS)
    for heading in (*read_queries(LARGE_SEGMENTS), *OVER_HTTP)
)


async def measure(place: Place) -> list[Sample]:
    """Measure each once."""
    users = place.scaled(USERS)
    filling = Filling(
        events=users,
        people=users,
        segments=1,
        began=datetime(2025, 1, 1, tzinfo=UTC),
        every=timedelta(days=365) / (users // LANES),
    )
    samples = []
    of_pages = {}
    async with fresh_world(place) as world:
        await fill(world, filling)
        await run_command(world, "rebuild")
        async with analyst_beside_tables(world) as analyst:
            for heading, query in read_queries(LARGE_SEGMENTS).items():
                asked = query.replace("'acme'", f"'{NETWORK}'")
                asked = asked.replace("jo@example.com", user_name(users // 2))
                of_pages[heading], by_hand = await time_both(analyst, asked)
                samples.append(Sample(_name(heading), of_pages[heading], {BY_HAND: by_hand}))
        _, key = await create_key(world.owner, network_id=NETWORK, scopes={Scope.REPORT})
        async with calling_api(world, key) as client:
            for name, (parameters, heading) in OVER_HTTP.items():
                value = await _page(client, parameters)
                samples.append(Sample(_name(name), value, {BY_SQL: of_pages[heading]}))
    return samples


async def _page(client: httpx.AsyncClient, parameters: dict[str, str]) -> float:
    """Return the median milliseconds of a page; if pages go on, of one after some large ones."""
    asked = {**parameters}
    for _ in range(0 if "limit" in parameters else PAGES):
        asked["cursor"] = (await _get(client, {**asked, "limit": "5000"}))["next"]
    times = []
    for turn in range(TIMES + 1):
        began = time.perf_counter()
        await _get(client, asked)
        if turn > 0:
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


async def _get(client: httpx.AsyncClient, parameters: dict[str, str]) -> Any:
    response = await client.get("/segments/1/members", params=parameters)
    response.raise_for_status()
    return response.json()
