"""Ingest with projections following at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.figure import Figure, Sample
from benchmarks.flows import follow_rate
from benchmarks.limits import bare_copy, fold_at_once
from benchmarks.load import EVENTS, make_load
from benchmarks.world import fresh_world

if TYPE_CHECKING:
    from benchmarks.world import Place

NAME = "ingest with projections following at once, all of them"
FIGURES = (
    Figure(NAME, "≥ 35,000 events/s to the views", "events/s", lambda value, _: value >= 35_000),
)


async def measure(place: Place) -> list[Sample]:
    """Measure once: two ingest processes and one project process with its default number of tasks."""
    async with fresh_world(place) as world:
        rate = await follow_rate(world, make_load(place.scaled(EVENTS)))
        return [Sample(NAME, rate, {**await bare_copy(world), **await fold_at_once(world)})]
