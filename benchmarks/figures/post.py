"""POST → 201 at several concurrencies, compared with a minimal app (`benchmarks.plain_app`); and batches."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks.figure import Figure, Sample
from benchmarks.http_load import Load, make_request
from benchmarks.load import NETWORK, make_load
from benchmarks.plain_app import KEY as PLAIN_KEY
from benchmarks.processes import SEGMENTS
from benchmarks.serving import serving
from benchmarks.world import fresh_world
from service.registry.api_keys import Scope, create_key

if TYPE_CHECKING:
    from benchmarks.figure import Limits
    from benchmarks.world import Place, World

CONCURRENCIES = (16, 64, 256)
REQUESTS = 20_000
BATCH = 1000
PEER = "FastAPI + pydantic + aiokafka, no checks"
NAMES = {n: f"POST → 201, broker acknowledged, {n} clients" for n in CONCURRENCIES}
BATCH_NAME = "POST of batches of 1,000, events in it"
PATH = f"/networks/{NETWORK}/segments"


def _met(value: float, beside: Limits) -> bool:
    return value >= 1.2 * beside[PEER]


FIGURES = (
    *(
        Figure(name, "≥ 1.2 of a plain FastAPI, pydantic and aiokafka", "requests/s", _met)
        for name in NAMES.values()
    ),
    Figure(BATCH_NAME, "none", "events/s", lambda _value, _beside: True),
)


async def measure(place: Place) -> list[Sample]:
    """Measure once: each concurrency on one api process, then on one process of the plain app."""
    count = place.scaled(REQUESTS)
    async with fresh_world(place) as world:
        key = await _key(world)
        messages = [
            message
            for message in make_load(count * 2)
            if not any(word in message.value for word in (b'"enter"', b'"leave"'))
        ]
        async with serving(world, SEGMENTS, "api", key=key) as port:
            requests = [make_request(PATH, message.value, key) for message in messages]
            rates = {n: await _rate(port, requests, n, 201) for n in CONCURRENCIES}
            batches = [
                make_request(
                    f"{PATH}/batch",
                    b"[" + b",".join(m.value for m in messages[at : at + BATCH]) + b"]",
                    key,
                )
                for at in range(0, len(messages) - BATCH, BATCH)
            ]
            batch_rate = await _rate(port, batches, 2, 207) * BATCH if batches else 0.0
        requests = [make_request(PATH, message.value, PLAIN_KEY) for message in messages]
        async with serving(world, sys.executable, "-m", "benchmarks.plain_app") as port:
            beside = {n: {PEER: await _rate(port, requests, n, 201)} for n in CONCURRENCIES}
    return [
        *(Sample(NAMES[n], rates[n], beside[n]) for n in CONCURRENCIES),
        Sample(BATCH_NAME, batch_rate),
    ]


async def _key(world: World) -> str:
    _, text = await create_key(world.owner, network_id=NETWORK, scopes={Scope.PUBLISH})
    return text


async def _rate(port: int, requests: list[bytes], connections: int, wanted: int) -> float:
    warm = Load(requests[: len(requests) // 10])
    await warm.send(port, connections)
    load = Load(requests)
    seconds = await load.send(port, connections)
    if set(load.statuses) != {wanted}:
        raise RuntimeError(f"answered {dict(load.statuses)}")
    return len(requests) / seconds
