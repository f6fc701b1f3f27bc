"""The memory of each process under three times the usual load, and whether it stays flat."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.figure import Figure, Sample
from benchmarks.flows import follow_rate
from benchmarks.load import EVENTS, make_load
from benchmarks.world import fresh_world

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.processes import Running
    from benchmarks.world import Place

ROLES = ("ingest", "project")
STARTED = "the process just started, MiB"
GROWTH = "growth over the last half, MiB"
FLAT = 10  # the allowed growth in MiB between the first and last third of the second half
TIMES = 3


def _name(role: str) -> str:
    return f"memory of each process: {role}"


FIGURES = tuple(
    Figure(
        _name(role),
        "≤ 200 MiB, flat",
        "MiB",
        lambda value, limits: value <= 200 and limits[GROWTH] <= FLAT,
    )
    for role in ROLES
)


async def measure(place: Place) -> list[Sample]:
    """Measure once: resident bytes sampled four times a second; the highest of any process of a role."""
    highest: dict[str, Sample] = {}

    def look(processes: Sequence[Running]) -> None:
        for process in processes:
            sample = _sample(process)
            known = highest.get(process.role)
            if known is None or known.value < sample.value:
                highest[process.role] = sample

    async with fresh_world(place) as world:
        await follow_rate(world, make_load(TIMES * place.scaled(EVENTS)), look=look)
    return [highest[role] for role in ROLES]


def _sample(process: Running) -> Sample:
    mebibytes = [resident / 2**20 for _, resident in process.memory]
    half = mebibytes[len(mebibytes) // 2 :]
    third = max(len(half) // 3, 1)
    growth = statistics.median(half[-third:]) - statistics.median(half[:third])
    started = mebibytes[min(4, len(mebibytes) - 1)]
    notes = {GROWTH: max(growth, 0.0)}
    return Sample(_name(process.role), max(mebibytes), {STARTED: started}, notes)
