"""Ingest with some duplicates, compared with the same load without duplicates in the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.figure import Figure, Limits, Sample
from benchmarks.flows import ingest_rate
from benchmarks.load import EVENTS, make_load, with_duplicates
from benchmarks.world import fresh_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.world import Place

WITHOUT = "the same without duplicates"
SHARES = {0.01: 0.9, 0.1: 0.6}  # share of duplicates → share of the rate without


def _name(share: float) -> str:
    return f"the same with {share:.0%} duplicates"


def _reaches(part: float) -> Callable[[float, Limits], bool]:
    return lambda value, limits: value >= part * limits[WITHOUT]


FIGURES = tuple(
    Figure(_name(share), f"≥ {part} of it", "records/s", _reaches(part))
    for share, part in SHARES.items()
)


async def measure(place: Place) -> list[Sample]:
    """Measure each once; half of the duplicates repeat recent records, half any earlier ones."""
    count = place.scaled(EVENTS)
    async with fresh_world(place) as world:
        without = await ingest_rate(world, make_load(count))
    samples = []
    for share in SHARES:
        load = with_duplicates(make_load(round(count * (1 - share))), share)
        async with fresh_world(place) as world:
            rate = await ingest_rate(world, load)
            duplicates = await world.owner.fetchval("SELECT sum(duplicates) FROM segments.lane")
            if not 0.8 * share < duplicates / count < 1.2 * share:
                raise RuntimeError(f"{duplicates} duplicates of {count}")
        samples.append(Sample(_name(share), rate, {WITHOUT: without}))
    return samples
