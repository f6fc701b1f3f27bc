"""The outcome of each offset of the commands topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from projections.operations.status import end_offsets
from tests.support.database import connected, rows, sound, until
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from service.runtime.settings import Settings

_OUTCOMES = """
SELECT kafka_partition, kafka_epoch, kafka_offset, 'event' AS what FROM reporting.event
UNION ALL SELECT kafka_partition, kafka_epoch, kafka_offset, 'duplicate' FROM reporting.duplicate
UNION ALL SELECT kafka_partition, kafka_epoch, kafka_offset, reason FROM reporting.rejected
UNION ALL SELECT kafka_partition, kafka_epoch, generate_series(first_offset, next_offset - 1), 'hole'
    FROM reporting.hole
"""


async def outcomes(settings: Settings, lane: int = 0, epoch: int = 0) -> list[str]:
    """Return the outcome of each offset of a lane, from 0 on: event, duplicate, hole, or the rejection reason."""
    by_offset = {}
    for row in await rows(settings, _OUTCOMES):
        if (row["kafka_partition"], row["kafka_epoch"]) == (lane, epoch):
            assert row["kafka_offset"] not in by_offset, "an offset was accounted for twice"
            by_offset[row["kafka_offset"]] = row["what"]
    assert sorted(by_offset) == list(
        range(min(by_offset, default=0), max(by_offset, default=-1) + 1)
    )
    return [by_offset[offset] for offset in sorted(by_offset)]


async def logged(settings: Settings, seconds: float = PATIENCE) -> None:
    """Wait until the log contains everything that is in Kafka now, and check the guarantees."""
    async with connected(settings) as connection:
        ends = await end_offsets(settings, connection)
    for lane, end in ends.items():
        if end:
            await until(
                settings,
                f"SELECT coalesce(max(next_offset), 0) >= {end} FROM segments.lane"
                f" WHERE topic = '{lane.topic}' AND partition = {lane.partition} AND NOT closed",
                seconds=seconds,
            )
    await sound(settings)
