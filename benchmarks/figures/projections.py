"""Projections alone: catching up with a full log, in order and with every event late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.figure import Figure, Sample
from benchmarks.flows import catch_up_rate
from benchmarks.limits import fold_at_once
from benchmarks.load import EVENTS, make_load
from benchmarks.world import fresh_world

if TYPE_CHECKING:
    from benchmarks.world import Place

NAME = "projections alone, catching up with a full log"
LATE = "every event late (whole history in reverse)"
FIGURES = (
    Figure(NAME, "≥ 60,000 events/s", "events/s", lambda value, _: value >= 60_000),
    Figure(LATE, "≥ 10,000 events/s", "events/s", lambda value, _: value >= 10_000),
)


async def measure(place: Place) -> list[Sample]:
    """Measure both once, one process with its default number of tasks each."""
    samples = []
    for name, late in ((NAME, False), (LATE, True)):
        async with fresh_world(place) as world:
            rate = await catch_up_rate(world, make_load(place.scaled(EVENTS), late=late))
            samples.append(Sample(name, rate, await fold_at_once(world)))
    return samples
