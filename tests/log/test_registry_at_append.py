"""The registry as it stands at the append decides, also when it moved a moment ago."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from service.registry import segments as registry
from tests.support.database import connected, make_segments
from tests.support.lane import command_json
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.support.lane import LogLane

pytestmark = pytest.mark.stack
NOW = int(time.time()) - 3600


async def set_archived(lane: LogLane, *, archived: bool) -> None:
    async with connected(lane.settings) as connection:
        await registry.set_archived(connection, network_id="n", segment_id=1, archived=archived)


async def test_a_segment_made_right_before_its_first_command_is_known(lane: LogLane) -> None:
    """Hazard 20: with a registry that was read before."""
    assert await lane.append(command_json(segment_id=50)) == ["unknown_segment"]
    await make_segments(lane.settings, [("n", 50)])
    assert await lane.append(command_json(segment_id=50)) == ["event"]


async def test_a_segment_made_between_preparing_and_storing_is_known(lane: LogLane) -> None:
    """Hazard 20."""
    await lane.append(command_json())
    batch = await lane.prepare(
        command_json(segment_id=50), command_json(segment_id=51), command_json()
    )
    await make_segments(lane.settings, [("n", 50)])
    await lane.store(batch)
    assert await lane.outcomes() == {0: "event", 1: "event", 2: "unknown_segment", 3: "event"}


async def test_a_segment_archived_between_preparing_and_storing_refuses(lane: LogLane) -> None:
    """Hazard 20."""
    batch = await lane.prepare(command_json())
    await set_archived(lane, archived=True)
    await lane.store(batch)
    assert await lane.outcomes() == {0: "segment_archived"}
    await set_archived(lane, archived=False)
    assert await lane.append(command_json()) == ["event"]


async def test_an_append_does_not_wait_for_a_registry_change_under_way(lane: LogLane) -> None:
    """Hazard 20: a change that is not committed is not there yet."""
    batch = await lane.prepare(command_json(segment_id=50))
    async with connected(lane.settings) as connection, connection.transaction():
        await registry.create(connection, network_id="n", segment_id=50, name="s")
        async with asyncio.timeout(PATIENCE):
            await lane.store(batch)
    assert await lane.outcomes() == {0: "unknown_segment"}
    assert await lane.append(command_json(segment_id=50)) == ["event"]


async def test_a_duplicate_for_an_archived_segment_is_still_a_duplicate(lane: LogLane) -> None:
    """Hazard 20: duplicate and conflict come before segment_archived."""
    old = command_json(status_change_timestamp=NOW, reference_id="r")
    keyed = (command_json(), [("idempotency-key", b"k")])
    assert await lane.append(old, keyed) == ["event", "event"]
    await set_archived(lane, archived=True)
    other = command_json(status_change_timestamp=NOW, reference_id="r", user_status="block")
    assert await lane.append(command_json(), old, other, keyed, command_json(reference_id="r")) == [
        "segment_archived", "duplicate", "conflict", "duplicate", "segment_archived",
    ]  # fmt: skip


async def test_a_duplicate_is_said_before_an_unknown_segment(lane: LogLane) -> None:
    """A key that named a command stays it; nothing else of an unknown segment can have been seen."""
    keyed = [("idempotency-key", b"k")]
    assert await lane.append(
        (command_json(), keyed), (command_json(segment_id=77), keyed), command_json(segment_id=77)
    ) == ["event", "conflict", "unknown_segment"]
