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
TURNS = 8
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
    """Measure each concurrency once: one api process and one process of the plain app, in turns on a warm broker."""
    count = place.scaled(REQUESTS)
    async with fresh_world(place) as world:
        key = await _key(world)
        messages = [
            message
            for message in make_load(count * 2)
            if not any(word in message.value for word in (b'"enter"', b'"leave"'))
        ]
        ours = [make_request(PATH, message.value, key) for message in messages]
        theirs = [make_request(PATH, message.value, PLAIN_KEY) for message in messages]
        batches = [
            make_request(
                f"{PATH}/batch",
                b"[" + b",".join(m.value for m in messages[at : at + BATCH]) + b"]",
                key,
            )
            for at in range(0, len(messages) - BATCH, BATCH)
        ]
        async with (
            serving(world, SEGMENTS, "api", key=key) as port,
            serving(world, sys.executable, "-m", "benchmarks.plain_app") as plain_port,
        ):
            rates = {n: await _in_turns(port, ours, plain_port, theirs, n) for n in CONCURRENCIES}
            batch_rate = await _rate(port, batches, 2, 207) * BATCH if batches else 0.0
    return [
        *(Sample(NAMES[n], rate, {PEER: beside}) for n, (rate, beside) in rates.items()),
        Sample(BATCH_NAME, batch_rate),
    ]


async def _in_turns(
    port: int, requests: list[bytes], plain_port: int, plain: list[bytes], connections: int
) -> tuple[float, float]:
    """Return both rates, each over TURNS parts of its requests, after one part each that is not counted."""
    seconds = [0.0, 0.0]
    part = len(requests) // (TURNS + 1)
    for turn in range(TURNS + 1):
        for which, (to, sent) in enumerate(((port, requests), (plain_port, plain))):
            load = Load(sent[turn * part : (turn + 1) * part])
            took = await load.send(to, connections)
            _expect(load, 201)
            seconds[which] += took if turn > 0 else 0.0
    return TURNS * part / seconds[0], TURNS * part / seconds[1]


async def _key(world: World) -> str:
    _, text = await create_key(world.owner, network_id=NETWORK, scopes={Scope.PUBLISH})
    return text


async def _rate(port: int, requests: list[bytes], connections: int, wanted: int) -> float:
    warm = Load(requests[: len(requests) // 10])
    await warm.send(port, connections)
    load = Load(requests)
    seconds = await load.send(port, connections)
    _expect(load, wanted)
    return len(requests) / seconds


def _expect(load: Load, wanted: int) -> None:
    if set(load.statuses) != {wanted}:
        raise RuntimeError(f"answered {dict(load.statuses)}")
