"""With 10M events in the log: the ingest's rate, and the views filtered by key, user, reference and position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.figure import Figure, Sample
from benchmarks.filling import Filling, fill
from benchmarks.flows import ingest_rate
from benchmarks.load import EVENTS, USERS, make_load
from benchmarks.lookups import BARE, VIEWS, look_up
from benchmarks.processes import run_command
from benchmarks.world import fresh_world

if TYPE_CHECKING:
    from benchmarks.figure import Limits
    from benchmarks.world import Place

RATE = "ingest rate with 10M events in the log"
EMPTY = "the rate at an empty log"
FILLED_EVENTS = 10_000_000
SPREAD = 10  # people in the log per user of the load: 200,000 people, 1M keys
_GOAL_MS = 20


def _name(view: str) -> str:
    return f"view {view}, 10M events, slowest p95 of its filters"


def _fast_enough(value: float, _limits: Limits) -> bool:
    return value <= _GOAL_MS


FIGURES = (
    Figure(
        RATE,
        "≥ 0.8 of the rate at an empty log",
        "events/s",
        lambda value, limits: value >= 0.8 * limits[EMPTY],
    ),
    *(Figure(_name(view), "p95 ≤ 20 ms", "ms", _fast_enough) for view in VIEWS),
)


async def measure(place: Place) -> list[Sample]:
    """Measure once: the same load, of people in the full log, into an empty and a full log."""
    count = place.scaled(EVENTS)
    async with fresh_world(place) as world:
        empty = await ingest_rate(world, make_load(count, spread=SPREAD))
    async with fresh_world(place) as world:
        await fill(world, Filling(place.scaled(FILLED_EVENTS), USERS * SPREAD))
        await run_command(world, "rebuild")
        await world.owner.execute("VACUUM ANALYZE", timeout=1200)
        views = await look_up(world)
        rate = await ingest_rate(world, make_load(count, spread=SPREAD))
    samples = [Sample(RATE, rate, {EMPTY: empty})]
    for view, filters in VIEWS.items():
        of_view = {name: views[view, name] for name in filters}
        beside = {f"by {name}": value for name, value in of_view.items()}
        limits = {BARE: views[BARE, ""]}
        samples.append(Sample(_name(view), max(of_view.values()), limits, beside))
    return samples
