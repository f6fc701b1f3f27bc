"""Pages of the dashboard on a segment of a million members with ten million events: the median of each, over HTTP."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from benchmarks.figure import Figure, Sample
from benchmarks.filling import LANES, Filling, fill
from benchmarks.load import NETWORK, user_name
from benchmarks.processes import run_command
from benchmarks.serving import calling_api
from benchmarks.world import fresh_world
from service.registry.api_keys import Scope, create_key

if TYPE_CHECKING:
    import httpx

    from benchmarks.world import Place

EVENTS, USERS = 10_000_000, 2_000_000
GOAL_MS = 200
TIMES = 5
PAGES = (
    "segments",
    "segments/1",
    "segments/1?range=all",
    "segments/1?from=2024-03-01&to=2024-04-01",
    "segments/1?list=overrides",
    "segments/1?list=disagreements",
    "segments/1?list=activity",
    "segments/1?list=readers",
    "segments/1?chart=causes",
    "segments/1?tz=Europe/Berlin",
    "segments/1?as_of=2024-06-01T00:00",
    "segments/1/user?user={user}",
    "segments/1/definition",
    "user?user={user}",
    "import",
    "audit",
    "audit?list=reads",
    "rejected",
    "../../operations",
    "../../operations/tasks",
)
# What is loaded after its page.
CHARTS = ("segments/1/chart?chart=causes", "segments/1/chart?tz=Europe/Berlin")


def _name(path: str) -> str:
    return f"1M members, 10M events: page {path}, ms"


FIGURES = tuple(
    Figure(_name(path), f"≤ {GOAL_MS} ms", "ms", lambda value, _: value <= GOAL_MS)
    for path in PAGES
) + tuple(Figure(_name(path), "-", "ms", lambda _value, _: True) for path in CHARTS)


async def measure(place: Place) -> list[Sample]:
    """Measure each once."""
    users, events = place.scaled(USERS), place.scaled(EVENTS)
    filling = Filling(
        events=events,
        people=users,
        segments=1,
        began=datetime(2024, 1, 1, tzinfo=UTC),
        every=timedelta(days=365) / (events // LANES),
    )
    samples = []
    async with fresh_world(place) as world:
        await fill(world, filling)
        await run_command(world, "rebuild")
        _, key = await create_key(world.owner, network_id=NETWORK, scopes=set(Scope))
        async with calling_api(world, key) as client:
            del client.headers["Authorization"]
            client.base_url = client.base_url.join("/admin/")
            answer = await client.post("sign-in", data={"key": key})
            if not answer.is_redirect:
                raise RuntimeError(answer.text)
            for path in (*PAGES, *CHARTS):
                value = await _page(
                    client, f"networks/{NETWORK}/{path.format(user=user_name(users // 2))}"
                )
                samples.append(Sample(_name(path), value))
    return samples


async def _page(client: httpx.AsyncClient, path: str) -> float:
    """Return the median milliseconds of a page."""
    times = []
    for turn in range(TIMES + 1):
        began = time.perf_counter()
        answer = await client.get(path)
        answer.raise_for_status()
        if turn > 0:
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)
