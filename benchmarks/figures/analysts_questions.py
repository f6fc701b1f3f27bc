"""The analysts' fifteen questions (docs/analysts/questions.md), over a year of 1M events, or of 10M with --large.

A figure is the median time of a question as an analyst asks it, from sending the SQL to having all of its rows.
Beside it is the same SQL on tables by hand (`benchmarks/sql/by_hand.sql`), which hold the views' rows ready, with an
index for each question: what somebody waits who keeps such tables, without the work of keeping them. A table of
intervals has no second clock, so last Friday's report there leaves out nothing that came later.

The log has 600,000 keys a million events, in five segments, and 1,000 campaigns.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from benchmarks.by_hand import BY_HAND, analyst_beside_tables, time_both
from benchmarks.figure import Figure, Sample
from benchmarks.filling import LANES, Filling, fill
from benchmarks.load import NETWORK, user_name
from benchmarks.processes import run_command
from benchmarks.world import fresh_world
from tests.docs.questions import QUESTIONS, read_queries

if TYPE_CHECKING:
    from benchmarks.figure import Limits
    from benchmarks.world import Place

EVENTS = 1_000_000
KEYS_PER_EVENT = 0.6
SEGMENTS = 5
CAMPAIGNS = 1000
YEAR = timedelta(days=365)
GOAL = 1.5
# Below this, the time is that of planning.
FEW_MS = 20


def _name(question: str, events: int) -> str:
    return f"{question} ({events // 1_000_000}M events)"


def _met(value: float, beside: Limits) -> bool:
    return value <= max(GOAL * beside[BY_HAND], FEW_MS)


FIGURES = tuple(
    Figure(
        _name(question, events),
        f"≤ {GOAL} of the same on tables by hand, or {FEW_MS} ms",
        "ms",
        _met,
    )
    for events in (EVENTS, 10 * EVENTS)
    for question in read_queries(QUESTIONS)
)


async def measure(place: Place) -> list[Sample]:
    """Measure each question once: the median of some runs, in turns with the tables."""
    events = 10 * EVENTS if place.large else EVENTS
    count = place.scaled(events)
    filling = Filling(
        events=count,
        people=round(count * KEYS_PER_EVENT / SEGMENTS),
        campaigns=CAMPAIGNS,
        began=datetime(2025, 1, 1, tzinfo=UTC),
        every=YEAR / (count // LANES),
    )
    samples = []
    async with fresh_world(place) as world:
        await fill(world, filling)
        await run_command(world, "rebuild")
        async with analyst_beside_tables(world) as analyst:
            for question, query in read_queries(QUESTIONS).items():
                asked = query.replace("'acme'", f"'{NETWORK}'")
                asked = asked.replace(" Jo@Example.com", user_name(1))
                value, by_hand = await time_both(analyst, asked)
                samples.append(Sample(_name(question, events), value, {BY_HAND: by_hand}))
    return samples
