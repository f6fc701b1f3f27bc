"""`lane adopt`: a lane whose topic was remade, truncated, or emptied by retention goes on in a new epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from projections.fold.worker import project
from service.runtime.errors import RefusedError
from tests.support.accounts import outcomes
from tests.support.command_line import run
from tests.support.database import folded, rows, sound, until, value
from tests.support.first_lane import (
    STOPPED,
    adopt,
    lane_command,
    publish_users,
    read_and_stop,
    users,
)
from tests.support.roles import service
from tests.support.topics import delete_records, remake_commands

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_a_remade_topic_with_more_records_stops_its_lane_and_adopt_goes_on(
    ready: Settings,
) -> None:
    """Hazard 6: nothing of Kafka's would have said so."""
    await read_and_stop(ready, "a", "b")
    await remake_commands(ready)
    await publish_users(ready, "new 0", "new 1", "new 2", "new 3")
    async with service(ready):
        because = await until(ready, STOPPED)
        assert "offset 1" in because
        assert "remade" in because
        assert "segments lane adopt" in because
        await publish_users(ready, "other lane", lane=1)
        await until(ready, "SELECT count(*) FROM segments.event", lambda count: count == 3)
        status = await run(ready, "status", "--wait", "300")
        assert status.code == 1
        assert "remade" in status.out + status.err
        assert await users(ready) == ["a", "b", "other lane"]
        done = await lane_command(ready, "adopt", "--from", "earliest")
        assert (done["kafka_epoch"], done["next_offset"]) == (1, 0)
        await folded(ready)
    assert await outcomes(ready, epoch=0) == ["event"] * 2
    assert await outcomes(ready, epoch=1) == ["event"] * 4
    assert await users(ready) == ["a", "b", "new 0", "new 1", "new 2", "new 3", "other lane"]
    recorded = await rows(ready, "SELECT action, reason, actor FROM segments.lane_event"
                          " WHERE action <> 'opened' ORDER BY lane_event_id")  # fmt: skip
    assert [row["action"] for row in recorded] == ["stopped", "adopted"]
    assert recorded[1] == {"action": "adopted", "reason": "a test", "actor": "tester"}
    await sound(ready)


async def test_a_lane_whose_topic_is_what_was_read_is_not_adopted_by_mistake(
    ready: Settings,
) -> None:
    """Read anew, commands without a time would count twice."""
    await read_and_stop(ready, "a", "b")
    with pytest.raises(RefusedError, match="count twice"):
        await adopt(ready)
    assert await value(ready, "SELECT count(*) FROM segments.lane WHERE epoch > 0") == 0


async def test_status_waits_for_a_topic_that_is_not_the_logs_and_for_earlier_epochs(
    ready: Settings,
) -> None:
    await read_and_stop(ready, "a", "b")  # and nothing folds them
    await remake_commands(ready)
    assert (await run(ready, "status", "--wait", "0.2")).code == 1
    await adopt(ready)
    assert (await run(ready, "status", "--wait", "0.2")).code == 1
    async with service(ready, project):
        await folded(ready)


async def test_a_truncated_topic_stops_its_lane_and_adopt_goes_on_from_an_offset(
    ready: Settings,
) -> None:
    """Hazard 6: remade with fewer records than were read; what lies before the offset is a hole."""
    await read_and_stop(ready, "a", "b", "c", "d")
    await remake_commands(ready)
    await publish_users(ready, "skipped", "new 1", "new 2")
    async with service(ready):
        because = await until(ready, STOPPED)
        assert "ends at 3, before 4" in because
        with pytest.raises(RefusedError, match="0 to 3; 9"):
            await adopt(ready, 9)
        done = await adopt(ready, 1)
        assert (done["first_offset"], done["next_offset"]) == (0, 1)
        await folded(ready)
    assert await outcomes(ready, epoch=1) == ["hole", "event", "event"]
    assert await users(ready) == ["a", "b", "c", "d", "new 1", "new 2"]
    await sound(ready)


async def test_a_lane_that_retention_outran_stops_and_adopt_makes_a_hole(ready: Settings) -> None:
    """Hazard 6: records were deleted that nobody had read."""
    await read_and_stop(ready, "a", "b")
    await publish_users(ready, "gone", "gone", "kept")
    await delete_records(ready, 0, 4)
    async with service(ready):
        because = await until(ready, STOPPED)
        assert "begins at 4, after 2" in because
        assert "retention" in because
        await adopt(ready)
        await folded(ready)
    assert await users(ready) == ["a", "b", "kept"]
    (hole,) = await rows(
        ready, "SELECT kafka_epoch, first_offset, next_offset, cause FROM reporting.hole"
    )
    assert (hole["kafka_epoch"], hole["first_offset"], hole["next_offset"]) == (1, 2, 4)
    assert (
        hole["cause"] == "no longer in the topic when the lane was adopted: retention, or deleted"
    )
    await sound(ready)


async def test_what_retention_took_and_what_an_operator_passed_by_are_two_holes(
    ready: Settings,
) -> None:
    await read_and_stop(ready, "a", "b")
    await publish_users(ready, "gone", "gone", "there", "kept")
    await delete_records(ready, 0, 4)
    done = await adopt(ready, 5)
    assert (done["first_offset"], done["next_offset"]) == (2, 5)
    async with service(ready):
        await folded(ready)
    assert await users(ready) == ["a", "b", "kept"]
    found = await rows(
        ready, "SELECT first_offset, next_offset, cause FROM reporting.hole ORDER BY 1"
    )
    assert [tuple(row.values()) for row in found] == [
        (2, 4, "no longer in the topic when the lane was adopted: retention, or deleted"),
        (4, 5, "skipped by an operator at the adoption: a test"),
    ]
    await sound(ready)
