"""Publish → visible in reporting.membership at 1,000 events a second.

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
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.figure import Figure, Limits, Sample
from benchmarks.load import NETWORK, make_message, partition_of, user_name
from benchmarks.processes import running
from benchmarks.progress import settle, wait_projected
from benchmarks.world import fresh_world
from schemas.topics import Topics
from service.kafka.clients import connection_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.world import Place, World

P50, P99 = "publish → visible in membership, p50", "publish → visible in membership, p99"
FIGURES = (
    Figure(P50, "≤ 25 ms", "ms", lambda value, _: value <= 25),
    Figure(P99, "≤ 100 ms", "ms", lambda value, _: value <= 100),
)
_ON_THE_WAY = "of it broker → log, ms"
FEWEST = 5
RATE = 1000
SECONDS = 25
SEGMENT = 1
LOOK_SECONDS = 0.001
# The time of records from the broker to the log (milliseconds; one clock, one machine).
_STORED = """
SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM recorded_at - received_at))
FROM segments.event WHERE user_status = 4 AND reference_id < 'campaign-9'
"""
_LOOK = (
    "SELECT 1 FROM reporting.membership WHERE network_id = $1 AND segment_id = $2 AND user_id = $3"
)


async def measure(place: Place) -> list[Sample]:
    """Measure once: two ingest processes, one project process."""
    async with fresh_world(place) as world:
        async with running(world, "ingest", "ingest", "project") as processes:
            await wait_projected(world, processes, await settle(world, processes, 2))
            probe = _Probe(world, SECONDS if not place.quick else 5)
            seen = await probe.run()
            stored = await world.owner.fetchval(_STORED)
        limits = {
            **_both("Kafka alone", await _kafka_alone(world)),
            **_both("one commit", await _commits(world)),
        }
    if len(seen) < FEWEST:
        raise RuntimeError(f"only {len(seen)} probes came back")
    return [
        Sample(P50, _percentile(seen, 50), limits, {_ON_THE_WAY: stored[0], "probes": len(seen)}),
        Sample(
            P99, _percentile(seen, 99), limits, {_ON_THE_WAY: stored[1], "events/s": probe.rate}
        ),
    ]


class _Probe:
    def __init__(self, world: World, seconds: int) -> None:
        self._world = world
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
            count = RATE * self.seconds
            for user in range(count):
                ahead = began + user / RATE - time.perf_counter()
                if ahead > 0:
                    await asyncio.sleep(ahead)
                message = make_message(user, int(time.time()), user, SEGMENT, "enter")
                if self._marked is not None and not self._marked.done():
                    self._marked.set_result((user, time.perf_counter()))
                await producer.send(
                    topic, message.value, message.key,
                    partition=partition_of(message.key, settings.topic_partitions),
                )  # fmt: skip
            self.rate = count / (time.perf_counter() - began)


async def _kafka_alone(world: World) -> list[float]:
    """Send records one after another to a consumer in the same process; return the milliseconds of each."""
    options = connection_options(world.settings)
    topic = TopicPartition(Topics(world.settings.topic_prefix).rejected, 0)
    times = []
    async with AIOKafkaProducer(**options, acks="all") as producer:
        reader = AIOKafkaConsumer(**options, enable_auto_commit=False)
        await reader.start()
        try:
            reader.assign([topic])
            await reader.seek_to_end(topic)
            for _ in range(300):
                sent = time.perf_counter()
                await producer.send(topic.topic, b"x" * 261, partition=topic.partition)
                await reader.getone()
                times.append((time.perf_counter() - sent) * 1000)
        finally:
            await reader.stop()
    return times


async def _commits(world: World) -> list[float]:
    await world.owner.execute("CREATE TABLE public.commits (at timestamptz)")
    times = []
    for _ in range(300):
        began = time.perf_counter()
        await world.owner.execute("INSERT INTO public.commits VALUES (clock_timestamp())")
        times.append((time.perf_counter() - began) * 1000)
    return times


def _both(name: str, times: Sequence[float]) -> Limits:
    return {f"{name} p{p}, ms": _percentile(times, p) for p in (50, 99)}


def _percentile(times: Sequence[float], percent: int) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1]
