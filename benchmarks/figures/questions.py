"""Questions of a whole network over 1M and 10M events, as an analyst asks them, beside tables made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.by_hand import BY_HAND, analyst_beside_tables, time_in_turns
from benchmarks.figure import Figure, Sample
from benchmarks.filling import Filling, fill
from benchmarks.load import NETWORK, USERS
from benchmarks.processes import run_command
from benchmarks.world import fresh_world

if TYPE_CHECKING:
    from benchmarks.figure import Limits
    from benchmarks.world import Place

SIZES = {"1M": (1_000_000, 5), "10M": (10_000_000, 10)}  # events; people for each of the load
_AT = "timestamptz '2024-01-20 00:00:00+00'"
# Each with the view, or what is called, and what stands in its place by hand.
QUESTIONS = {
    "history by cause": (
        "SELECT cause, count(*), avg(duration) FROM {} GROUP BY cause",
        "reporting.membership_history", "by_hand.membership_history",
    ),
    "users ever in a segment": (
        "SELECT count(DISTINCT user_id), count(*) FROM {} WHERE is_member",
        "reporting.membership_history", "by_hand.membership_history",
    ),
    "outcomes by day": (
        "SELECT outcome, date_trunc('day', status_change_timestamp) AS day, count(*) FROM {} GROUP BY outcome, day",
        "reporting.result", "by_hand.result",
    ),
    "average stay in a segment": (
        f"SELECT avg(duration) FROM {{}} WHERE network_id = '{NETWORK}' AND segment_id = 2 AND is_member",
        "reporting.membership_history", "by_hand.membership_history",
    ),
    "as-of of the network": (
        "SELECT segment_id, count(DISTINCT user_id) FROM {} AS k WHERE is_member GROUP BY segment_id",
        f"reporting.membership_as_of({_AT}, network_id => '{NETWORK}')",
        (f"(SELECT * FROM by_hand.membership_history WHERE network_id = '{NETWORK}' AND valid_from <= {_AT}"
        f" AND (valid_to > {_AT} OR valid_to IS NULL))"),
    ),
    "overlap of two segments": (
        "SELECT {}",
        f"(SELECT max(members_of_both) FROM reporting.overlap('{NETWORK}', '{{1,2}}'))",
        ("count(*) FROM by_hand.membership_history AS a"
        " JOIN by_hand.membership_history AS b USING (network_id, user_id)"
        f" WHERE network_id = '{NETWORK}' AND a.segment_id = 1 AND b.segment_id = 2"
        " AND a.is_current AND b.is_current AND a.is_member AND b.is_member"),
    ),
    "sizes": (
        "SELECT {}",
        "segment_id, members FROM reporting.segment_size",
        "segment_id, count(*) FROM by_hand.membership_history WHERE is_current AND is_member GROUP BY segment_id",
    ),
}  # fmt: skip


def _name(question: str, size: str) -> str:
    return f"{question}, {size} events"


def _fast_enough(value: float, limits: Limits) -> bool:
    return value <= 1.5 * limits[BY_HAND]


FIGURES = tuple(
    Figure(_name(question, size), "≤ 1.5 of the same on a table by hand", "ms", _fast_enough)
    for size in SIZES
    for question in QUESTIONS
)


async def measure(place: Place) -> list[Sample]:
    """Measure once: the median of some runs, in turns with the tables, with Postgres's own settings."""
    samples = []
    for size, (events, spread) in SIZES.items():
        async with fresh_world(place) as world:
            await fill(world, Filling(place.scaled(events), USERS * spread))
            await run_command(world, "rebuild")
            async with analyst_beside_tables(world) as analyst:
                for question, (query, *targets) in QUESTIONS.items():
                    queries = (query.format(target) for target in targets)
                    value, by_hand = await time_in_turns(analyst, *queries)
                    samples.append(Sample(_name(question, size), value, {BY_HAND: by_hand}))
    return samples
