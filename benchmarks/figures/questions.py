"""Questions of a whole network over 1M and 10M events, as an analyst asks them, beside tables made by hand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import asyncpg

from benchmarks.figure import Figure, Sample
from benchmarks.filling import Filling, fill
from benchmarks.load import NETWORK, USERS
from benchmarks.processes import run_command
from benchmarks.world import fresh_world

if TYPE_CHECKING:
    from benchmarks.figure import Limits
    from benchmarks.world import Place, World

HAND = "on a table by hand"
TURNS = 5
SIZES = {"1M": (1_000_000, 5), "10M": (10_000_000, 10)}  # events; people for each of the load
# By hand: an SCD2 table with all columns of membership_history, and one of all commands with their outcome.
_TABLES = """
CREATE SCHEMA hand;
CREATE TABLE hand.history AS SELECT * FROM reporting.membership_history;
CREATE TABLE hand.result AS SELECT * FROM reporting.result;
CREATE INDEX ON hand.history (network_id, segment_id, valid_from);
GRANT USAGE ON SCHEMA hand TO segments_report;
GRANT SELECT ON ALL TABLES IN SCHEMA hand TO segments_report;
"""
_AT = "timestamptz '2024-01-20 00:00:00+00'"
# Each with the view, or what is called, and what stands in its place by hand.
QUESTIONS = {
    "history by cause": (
        "SELECT cause, count(*), avg(duration) FROM {} GROUP BY cause",
        "reporting.membership_history", "hand.history",
    ),
    "users ever in a segment": (
        "SELECT count(DISTINCT user_id), count(*) FROM {} WHERE is_member",
        "reporting.membership_history", "hand.history",
    ),
    "outcomes by day": (
        "SELECT outcome, date_trunc('day', status_change_timestamp) AS day, count(*) FROM {} GROUP BY outcome, day",
        "reporting.result", "hand.result",
    ),
    "average stay in a segment": (
        f"SELECT avg(duration) FROM {{}} WHERE network_id = '{NETWORK}' AND segment_id = 2 AND is_member",
        "reporting.membership_history", "hand.history",
    ),
    "as-of of the network": (
        "SELECT segment_id, count(DISTINCT user_id) FROM {} AS k WHERE is_member GROUP BY segment_id",
        f"reporting.membership_as_of({_AT}, network_id => '{NETWORK}')",
        (f"(SELECT * FROM hand.history WHERE network_id = '{NETWORK}' AND valid_from <= {_AT}"
        f" AND (valid_to > {_AT} OR valid_to IS NULL))"),
    ),
    "overlap of two segments": (
        "SELECT {}",
        f"(SELECT max(members_of_both) FROM reporting.overlap('{NETWORK}', '{{1,2}}'))",
        ("count(*) FROM hand.history AS a JOIN hand.history AS b USING (network_id, user_id)"
        f" WHERE network_id = '{NETWORK}' AND a.segment_id = 1 AND b.segment_id = 2"
        " AND a.is_current AND b.is_current AND a.is_member AND b.is_member"),
    ),
    "sizes": (
        "SELECT {}",
        "segment_id, members FROM reporting.segment_size",
        "segment_id, count(*) FROM hand.history WHERE is_current AND is_member GROUP BY segment_id",
    ),
}  # fmt: skip


def _name(question: str, size: str) -> str:
    return f"{question}, {size} events"


def _fast_enough(value: float, limits: Limits) -> bool:
    return value <= 1.5 * limits[HAND]


FIGURES = tuple(
    Figure(_name(question, size), "≤ 1.5 of the same on a table by hand", "ms", _fast_enough)
    for size in SIZES
    for question in QUESTIONS
)


async def measure(place: Place) -> list[Sample]:
    """Measure once: the fastest of some turns, with Postgres's own settings."""
    samples = []
    for size, (events, spread) in SIZES.items():
        async with fresh_world(place) as world:
            await fill(world, Filling(place.scaled(events), USERS * spread))
            await run_command(world, "rebuild")
            await world.owner.execute(_TABLES, timeout=1200)
            await world.owner.execute("VACUUM ANALYZE", timeout=1200)
            samples += await _ask(world, size)
    return samples


async def _ask(world: World, size: str) -> list[Sample]:
    analyst = await asyncpg.connect(world.url, server_settings={"role": "segments_report"})
    try:
        samples = []
        for question, (query, *targets) in QUESTIONS.items():
            turns = [
                [await _milliseconds(analyst, query.format(target)) for target in targets]
                for _ in range(TURNS)
            ]
            value, by_hand = map(min, zip(*turns, strict=True))
            samples.append(Sample(_name(question, size), value, {HAND: by_hand}))
        return samples
    finally:
        await analyst.close()


async def _milliseconds(analyst: asyncpg.Connection[Any], query: str) -> float:
    began = time.perf_counter()
    await analyst.fetch(query, timeout=600)
    return (time.perf_counter() - began) * 1000
