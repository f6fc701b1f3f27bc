"""One key of 200,000 events, over HTTP: a late event until its result is there, its explanation, one result.

Beside each is the same on a key of 200 events, in the same run.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from benchmarks.figure import Figure, Sample
from benchmarks.load import NETWORK, Publisher, make_message, user_name
from benchmarks.processes import running
from benchmarks.progress import settle, wait_projected
from benchmarks.serving import calling_api
from benchmarks.world import fresh_world
from service.registry.api_keys import Scope, create_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from benchmarks.world import Place

LONG, SHORT = 200_000, 200
LONG_USER, SHORT_USER = 1, 2
SEGMENT = 1
STATUSES = ("enter", "add", "leave", "reset", "block", "reset")
TIMES = 15
BESIDE = f"the same on a key of {SHORT} events, ms"
NAMES = {
    "late": "one late event to a key of 200,000 events, POST until its result",
    "explanation": "explanation of a key of 200,000 events",
    "result": "one result in a key of 200,000 events, by position",
}
FIGURES = tuple(
    Figure(name, "≤ 100 ms", "ms", lambda value, _: value <= 100) for name in NAMES.values()
)


async def measure(place: Place) -> list[Sample]:
    """Measure once: the median of some requests of each kind."""
    async with fresh_world(place) as world:
        _, key = await create_key(
            world.owner, network_id=NETWORK, scopes={Scope.PUBLISH, Scope.REPORT}
        )
        began = int(time.time()) - 2 * LONG
        async with running(world, "ingest", "project") as processes:
            async with Publisher(world.settings) as publisher:
                before = await settle(world, processes, 1)
                for user, count in ((LONG_USER, place.scaled(LONG)), (SHORT_USER, SHORT)):
                    publisher.prepare(
                        make_message(nth, began + nth, user, SEGMENT, STATUSES[nth % len(STATUSES)])
                        for nth in range(count)
                    )
                await publisher.publish()
            await wait_projected(world, processes, before + publisher.records)
            async with calling_api(world, key) as client:
                medians = {
                    user: await _measure_key(client, user, began)
                    for user in (SHORT_USER, LONG_USER)
                }
    return [
        Sample(name, medians[LONG_USER][kind], {BESIDE: medians[SHORT_USER][kind]})
        for kind, name in NAMES.items()
    ]


async def _measure_key(client: httpx.AsyncClient, user: int, began: int) -> dict[str, float]:
    """Return the median milliseconds of each kind of request."""
    user_id = user_name(user)
    position = ""

    async def late(nth: int) -> httpx.Response:
        nonlocal position
        response = await client.post(
            "/segments",
            json={
                "user": user_id,
                "segment_id": SEGMENT,
                "user_status": "add",
                "status_change_timestamp": began + 50 + nth,
                "reference_id": f"late-{nth}",
            },
            headers={"Prefer": "wait=30"},
        )
        body = response.json()
        position = f"{body['topic']}:{body['partition']}:{body['offset']}"
        return response

    return {
        "late": await _median(late, 200),
        "explanation": await _median(
            lambda _: client.get(f"/segments/{SEGMENT}/members/{user_id}/explanation"), 200
        ),
        "result": await _median(
            lambda _: client.get("/results", params={"position": position}), 200
        ),
    }


async def _median(ask: Callable[[int], Awaitable[httpx.Response]], wanted: int) -> float:
    times = []
    for nth in range(TIMES):
        began = time.perf_counter()
        response: Any = await ask(nth)
        times.append((time.perf_counter() - began) * 1000)
        if response.status_code != wanted:
            raise RuntimeError(f"answered {response.status_code}: {response.text[:200]}")
    return statistics.median(times)
