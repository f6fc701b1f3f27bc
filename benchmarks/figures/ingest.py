"""Ingest: records already in Kafka → durable in the log, two processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.figure import Figure, Sample
from benchmarks.flows import ingest_rate
from benchmarks.limits import ONE_COPY, bare_copy
from benchmarks.load import EVENTS, make_load
from benchmarks.world import fresh_world

if TYPE_CHECKING:
    from benchmarks.world import Place

NAME = "ingest, records already in Kafka → durable in the log"
FIGURES = (
    Figure(
        NAME,
        "≥ 75,000 events/s and ≥ 0.5 of one bare COPY",
        "events/s",
        lambda value, limits: value >= 75_000 and value >= 0.5 * limits[ONE_COPY],
    ),
)


async def measure(place: Place) -> list[Sample]:
    """Measure once."""
    async with fresh_world(place) as world:
        rate = await ingest_rate(world, make_load(place.scaled(EVENTS)))
        return [Sample(NAME, rate, await bare_copy(world))]
