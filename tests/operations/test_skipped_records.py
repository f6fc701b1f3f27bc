"""`lane skip`: what becomes of the records that an operator passes by."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from service.runtime.errors import RefusedError
from tests.support.accounts import outcomes
from tests.support.database import folded, make_segments, rows, sound, value
from tests.support.first_lane import (
    lane_command,
    publish_stamped,
    publish_users,
    read_and_stop,
    skip,
)
from tests.support.kafka import NewRecord, publish
from tests.support.roles import service
from tests.support.topics import make_commands

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_skip_passes_records_by_and_keeps_them_as_skipped(ready: Settings) -> None:
    """Their readable parts too; a time claimed by a producer is not accepted here either."""
    await read_and_stop(ready, "a")
    await publish_users(ready, "b@X", "c")
    await publish(ready, [NewRecord(b"{", lane=0), NewRecord(lane=0, user="d")])
    done = await lane_command(ready, "skip", "--to", "4")
    assert (done["next_offset"], done["rejected"], done["holes"]) == (4, 3, 0)
    async with service(ready):
        await folded(ready)
    assert await outcomes(ready) == ["event", "skipped", "skipped", "skipped", "event"]
    found = await rows(
        ready,
        "SELECT network_id, user_id, detail FROM reporting.rejected"
        " INNER JOIN reporting.result USING (kafka_topic, kafka_partition, kafka_epoch, kafka_offset, network_id)"
        " ORDER BY kafka_offset",
    )
    assert [(row["network_id"], row["user_id"]) for row in found] == [("n", "b@x"), ("n", "c")]
    assert "a test" in found[0]["detail"]
    await sound(ready)


async def test_skip_goes_no_further_than_the_topic(ready: Settings) -> None:
    await read_and_stop(ready, "a")
    for to in (1, 2):
        with pytest.raises(RefusedError, match=f"can't skip to {to}"):
            await skip(ready, to)


async def test_a_skipped_record_stamped_by_its_producer_does_not_move_received_at(
    database: Settings,
) -> None:
    """Hazard 8: a stamp of the year 3000 would be the floor of all that follows."""
    await make_segments(database)
    await make_commands(database, 1, {"message.timestamp.type": "CreateTime"})
    await read_and_stop(database, "a")
    await publish_stamped(database, time.time() + 1800, "b")
    await skip(database, 2)
    ahead = await value(
        database,
        "SELECT extract(epoch FROM max(received_at) - clock_timestamp())::int FROM reporting.rejected",
    )
    assert ahead <= 0
    floor = await value(
        database, "SELECT (max(received_at) - clock_timestamp())::text FROM segments.lane"
    )
    assert floor.startswith("-")
