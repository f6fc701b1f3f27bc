"""Rebuild of membership, override and sizes: 1M events over 100k keys, by `segments rebuild`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.figure import Figure, Sample
from benchmarks.filling import Filling, fill
from benchmarks.limits import fold_at_once
from benchmarks.load import USERS
from benchmarks.processes import run_command
from benchmarks.world import fresh_world

if TYPE_CHECKING:
    from benchmarks.world import Place

NAME = "rebuild of membership and override, 1M events over 100k keys"
EVENTS = 1_000_000
FIGURES = (Figure(NAME, "≥ 500,000 events/s", "events/s", lambda value, _: value >= 500_000),)
_IDLE = "the command's own start, seconds"


async def measure(place: Place) -> list[Sample]:
    """Measure once: the time of the command minus that of its `--help`."""
    count = place.scaled(EVENTS)
    async with fresh_world(place) as world:
        await fill(world, Filling(count, USERS))
        starting = await run_command(world, "rebuild", "--help")
        await world.owner.execute("CHECKPOINT")
        seconds = await run_command(world, "rebuild") - starting
        keys = await world.owner.fetchval("SELECT count(*) FROM reporting.user_segment")
        if not keys:
            raise RuntimeError("the rebuild gave no rows")
        notes = {"keys": keys, _IDLE: starting}
        return [Sample(NAME, count / seconds, await fold_at_once(world), notes)]
