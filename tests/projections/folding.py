"""A log and its projections without Kafka: a real Appender feeds the log, real workers fold it, in this loop."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from projections.fold.worker import ROLE, Worker
from service.postgres.database import open_database
from tests.support.database import make_segments, rows
from tests.support.lane import command_json, log_lanes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from service.runtime.settings import Settings
    from tests.support.lane import LogLane


async def fold(settings: Settings) -> int:
    """Fold all that is in the log; gives the number of batches."""
    async with open_database(settings, ROLE, 1) as connections:
        worker = Worker(connections)
        batches = 0
        while await worker.step():
            batches += 1
    return batches


@asynccontextmanager
async def log(
    settings: Settings, lanes: int = 1, segments: Iterable[tuple[str, int]] = (("n", 1), ("n", 2))
) -> AsyncIterator[list[LogLane]]:
    """Give open lanes over a registry of segments."""
    await make_segments(settings, segments)
    async with log_lanes(settings, lanes) as opened:
        yield opened


PROJECTED = ("user_segment", "membership", "override", "automation_disagreement", "membership_history", "result",
             "segment_size", "segment_size_daily")  # fmt: skip


async def read_views(settings: Settings, views: Iterable[str] = PROJECTED) -> dict[str, list[str]]:
    """Give the rows of views, in an order of their own."""
    return {
        view: sorted(map(repr, await rows(settings, f"SELECT * FROM reporting.{view}")))
        for view in views
    }


def commands(seed: int, count: int, users: int = 4) -> list[bytes]:
    """Make commands of few keys, many of them late, some at equal times, two segments."""
    rng = random.Random(seed)  # noqa: S311 - the same each time
    return [
        command_json(
            user=f"u{rng.randrange(users)}",
            segment_id=rng.randint(1, 2),
            user_status=rng.choice(["add", "block", "reset", "enter", "leave"]),
            status_change_timestamp=1_700_000_000 + rng.randrange(40) * 7200,
            reference_id=f"r{number}",
        )
        for number in range(count)
    ]
