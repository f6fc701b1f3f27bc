"""Publish → visible in reporting.membership at some steady rates, and the processor's time that they take.

Every event enters a new user. One probe at a time: the next event is marked, and from its send() on, a separate
connection queries its row by key every millisecond until it exists; then a random pause follows. The figure is the time
from the call of send() to the response with the row, including producer, broker, ingest, projection and the query.
Publisher and query share one process.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from typing import TYPE_CHECKING, Any

import asyncpg
from aiokafka import AIOKafkaProducer

from benchmarks.figure import Figure, Limits, Sample
from benchmarks.load import NETWORK, make_message, partition_of, user_name
from benchmarks.processes import Meter, running
from benchmarks.progress import settle, wait_projected
from benchmarks.world import fresh_world
from schemas.topics import Topics
from service.kafka.clients import connection_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.world import Place, World

RATES = (20, 200, 1000)
ALONE_P50, ALONE_P99 = "one produce + two commits, p50, ms", "one produce + two commits, p99, ms"
CPU = "CPU at a steady 1,000 events/s, ingest, project and their backends"
IDLE = "CPU when idle, the same processes"


def _name(percent: int, rate: int) -> str:
    return f"publish → visible in membership, p{percent}, {rate:,} events/s"


FIGURES = (
    *(
        figure
        for rate in RATES
        for figure in (
            Figure(
                _name(50, rate), "≤ 10 of a produce and two commits", "ms",
                lambda value, beside: value <= 10 * beside[ALONE_P50],
            ),
            Figure(
                _name(99, rate), "≤ 20 of a produce and two commits", "ms",
                lambda value, beside: value <= 20 * beside[ALONE_P99],
            ),
        )
    ),
    Figure(CPU, "≤ 0.5 where a bare COPY reaches 100,000 rows/s", "cores", lambda value, _: value <= 0.5),
    Figure(IDLE, "≤ 0.05", "cores", lambda value, _: value <= 0.05),
)  # fmt: skip
_ON_THE_WAY = "of it broker → log, ms"
FEWEST = 5
SECONDS = 20
IDLE_SECONDS = 10
SEGMENT = 1
LOOK_SECONDS = 0.001
# The time of records from the broker to the log (milliseconds; one clock, one machine).
_STORED = """
SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM recorded_at - received_at))
FROM segments.event WHERE starts_with(reference_id, $1)
"""
_LOOK = (
    "SELECT 1 FROM reporting.membership WHERE network_id = $1 AND segment_id = $2 AND user_id = $3"
)


async def measure(place: Place) -> list[Sample]:
    """Measure once: two ingest processes, one project process, each rate one after another."""
    samples: list[Sample] = []
    async with (
        fresh_world(place) as world,
        running(world, "ingest", "ingest", "project") as processes,
    ):
        await wait_projected(world, processes, await settle(world, processes, 2))
        meter = Meter(world, processes)
        await asyncio.sleep(2)
        async with meter.measured():
            await asyncio.sleep(IDLE_SECONDS)
        samples.append(Sample(IDLE, meter.cores))
        alone = await _alone(world)
        for rate in RATES:
            probe = _Probe(world, rate, SECONDS if not place.quick else 5)
            async with meter.measured():
                seen = await probe.run()
            if len(seen) < FEWEST:
                raise RuntimeError(f"only {len(seen)} probes came back")
            stored = await world.owner.fetchval(_STORED, f"at-{rate}-")
            samples += (
                Sample(
                    _name(percent, rate), _percentile(seen, percent), alone,
                    {_ON_THE_WAY: stored[nth], "probes": len(seen), "events/s": probe.rate, "cores": meter.cores},
                )
                for nth, percent in enumerate((50, 99))
            )  # fmt: skip
        samples.append(Sample(CPU, meter.cores))
    return samples


class _Probe:
    def __init__(self, world: World, wanted: int, seconds: int) -> None:
        self._world = world
        self._wanted = wanted
        self._chance = random.Random(5)  # noqa: S311 - not a secret
        self._marked: asyncio.Future[tuple[int, float]] | None = None
        self.seconds = seconds
        self.rate = 0.0

    async def run(self) -> list[float]:
        """Publish at the rate while probing; return the milliseconds of each probe."""
        connection = await asyncpg.connect(self._world.url)
        publishing = asyncio.create_task(self._publish())
        seen = []
        try:
            while not publishing.done():
                await asyncio.sleep(self._chance.uniform(0.005, 0.06))
                self._marked = asyncio.get_running_loop().create_future()
                either: set[asyncio.Future[Any]] = {publishing, self._marked}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if self._marked.done():
                    seen.append(await self._look(connection, *self._marked.result()))
            await publishing
        finally:
            publishing.cancel()
            await connection.close()
        return seen[5:]

    async def _look(
        self, connection: asyncpg.Connection[asyncpg.Record], user: int, sent: float
    ) -> float:
        while await connection.fetchval(_LOOK, NETWORK, SEGMENT, user_name(user)) is None:
            if time.perf_counter() - sent > 30:
                raise TimeoutError("a probe did not become visible in 30 s")
            await asyncio.sleep(LOOK_SECONDS)
        return (time.perf_counter() - sent) * 1000

    async def _publish(self) -> None:
        settings = self._world.settings
        topic = Topics(settings.topic_prefix).commands
        async with AIOKafkaProducer(**connection_options(settings), acks="all") as producer:
            began = time.perf_counter()
            count = self._wanted * self.seconds
            for nth in range(count):
                ahead = began + nth / self._wanted - time.perf_counter()
                if ahead > 0:
                    await asyncio.sleep(ahead)
                # Each rate has users of its own.
                user = self._wanted * 100 + nth
                message = make_message(
                    nth, int(time.time()), user, SEGMENT, "enter", f"at-{self._wanted}-"
                )
                if self._marked is not None and not self._marked.done():
                    self._marked.set_result((user, time.perf_counter()))
                await producer.send(
                    topic, message.value, message.key,
                    partition=partition_of(message.key, settings.topic_partitions),
                )  # fmt: skip
            self.rate = count / (time.perf_counter() - began)


async def _alone(world: World) -> Limits:
    """Measure what no service can do without, one after another: a produce, two commits."""
    produced, committed = await _produces(world), await _commits(world)
    return {
        name: _percentile(produced, percent) + 2 * _percentile(committed, percent)
        for name, percent in ((ALONE_P50, 50), (ALONE_P99, 99))
    }


async def _produces(world: World) -> list[float]:
    """Send records one after another; milliseconds of each until the broker has it."""
    options = connection_options(world.settings)
    topic = Topics(world.settings.topic_prefix).rejected
    times = []
    async with AIOKafkaProducer(**options, acks="all") as producer:
        for _ in range(300):
            sent = time.perf_counter()
            await producer.send_and_wait(topic, b"x" * 261, partition=0)
            times.append((time.perf_counter() - sent) * 1000)
    return times


async def _commits(world: World) -> list[float]:
    await world.owner.execute("CREATE TABLE public.commits (at timestamptz)")
    times = []
    for _ in range(300):
        began = time.perf_counter()
        await world.owner.execute("INSERT INTO public.commits VALUES (clock_timestamp())")
        times.append((time.perf_counter() - began) * 1000)
    return times


def _percentile(times: Sequence[float], percent: int) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1]
