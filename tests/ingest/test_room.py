"""A lane takes records only when it has room; none of what was fetched in the meantime is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from service.ingest import consumer, lane_writer
from service.ingest.role import ingest
from tests.support.accounts import logged, outcomes
from tests.support.kafka import NewRecord, publish
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


async def test_what_arrives_while_no_lane_has_room_is_not_lost(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane that opens while its consumer only polls to stay in the group: its first fetch is no hole."""
    monkeypatch.setattr(consumer, "STALL_SECONDS", 0.001)
    await publish(ready, [NewRecord(lane=n % 4, user=f"u{n}") for n in range(400)])
    for start in range(3):
        async with service(ready, ingest):
            await logged(ready)
        for number in range(4):
            assert await outcomes(ready, number) == ["event"] * (100 + start)
        await publish(ready, [NewRecord(lane=number, user=f"v{start}") for number in range(4)])


async def test_lanes_without_room_fill_up_and_go_on(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "STALL_SECONDS", 0.001)
    monkeypatch.setattr(lane_writer, "ROOM_BYTES", 2000, raising=False)
    small = ready.model_copy(update={"ingest_batch_records": 3, "ingest_lanes_at_once": 1})
    async with service(small, ingest):
        await publish(ready, [NewRecord(lane=n % 4, user=f"u{n}") for n in range(800)])
        await logged(ready)
    for number in range(4):
        assert await outcomes(ready, number) == ["event"] * 200
