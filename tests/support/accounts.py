"""What became of each offset of the commands topic."""

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
    """Tell what each offset of a lane is, from 0 on: event, duplicate, hole, or the reason of its rejection."""
    found = {}
    for row in await rows(settings, _OUTCOMES):
        if (row["kafka_partition"], row["kafka_epoch"]) == (lane, epoch):
            assert row["kafka_offset"] not in found, "an offset was accounted for twice"
            found[row["kafka_offset"]] = row["what"]
    assert sorted(found) == list(range(min(found, default=0), max(found, default=-1) + 1))
    return [found[offset] for offset in sorted(found)]


async def logged(settings: Settings, seconds: float = PATIENCE) -> None:
    """Wait until the log holds all that is in Kafka now; then law 1 holds."""
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
