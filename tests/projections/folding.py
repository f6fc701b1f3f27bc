"""A log and its projections without Kafka: a real Appender feeds the log, real workers fold it, in this loop."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from projections.worker import ROLE, Worker
from service.database import make_pool
from tests.support.database import make_segments
from tests.support.lane import log_lanes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from service.settings import Settings
    from tests.support.lane import LogLane


async def fold(settings: Settings) -> int:
    """Fold all that is in the log; gives the number of batches."""
    async with make_pool(settings, ROLE, 1) as pool:
        worker = Worker(pool, settings)
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
