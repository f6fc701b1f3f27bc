"""verify names whatever was tampered with (hazards 24 and 27)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from projections.verify import verify
from tests.projections.folding import fold, log
from tests.support.database import connected
from tests.support.lane import said

if TYPE_CHECKING:
    from service.settings import Settings

pytestmark = pytest.mark.stack
AT = 1_700_000_000
TAMPERED = {
    "a state": (
        "UPDATE projections.membership SET state.is_member = false WHERE (state).is_member AND segment_key = 1",
        {"user_segment", "segment_size"},
    ),
    "a state's least part": (
        "UPDATE projections.membership SET state.last_change_at = (state).last_change_at + interval '1 microsecond'",
        {"user_segment"},
    ),
    "a state that went": ("DELETE FROM projections.membership WHERE segment_key = 2", {"user_segment", "segment_size"}),
    "a state of nobody": (
        "INSERT INTO projections.membership SELECT slot, segment_key, 99, state FROM projections.membership LIMIT 1",
        {"user_segment"},
    ),
    "a size": ("UPDATE projections.size SET members = members + 1", {"segment_size"}),
    "a size that went": ("DELETE FROM projections.size", {"segment_size"}),
    "a day": ("UPDATE projections.size_daily SET joined = joined + 1, departed = departed + 1", {"segment_size_daily"}),
    "a day that went": ("DELETE FROM projections.size_daily", {"segment_size_daily"}),
    "a day's restatement": (
        "UPDATE projections.size_daily SET restated_at = restated_at - interval '1 s'", {"segment_size_daily"},
    ),
    "a lane's counters": ("UPDATE segments.lane SET events = events - 1, rejected = rejected + 1", {"lane"}),
    "a lane's end": ("UPDATE segments.lane SET next_offset = next_offset + 1, holes = holes + 1", {"lane"}),
    "a lane's begin": ("UPDATE segments.lane SET first_offset = first_offset - 1, holes = holes + 1", {"lane"}),
    "an event that went": ("DELETE FROM segments.event WHERE kafka_offset = 0", {"lane", "user_segment"}),
    "what an event says": ("UPDATE segments.event SET user_status = 2 WHERE kafka_offset = 0", {"user_segment"}),
    "an event's time": (
        "UPDATE segments.event SET status_change_timestamp = '2020-01-01' WHERE kafka_offset = 0", {"user_segment"},
    ),
    "an event's segment": (
        "UPDATE segments.event SET segment_key = 99 WHERE kafka_offset = 0", {"event", "user_segment"},
    ),
    "a duplicate that went": ("DELETE FROM segments.duplicate", {"lane"}),
    "a rejected record that went": ("DELETE FROM segments.rejected", {"lane"}),
    "an offset told twice": (
        "INSERT INTO segments.hole SELECT lane_id, kafka_offset, kafka_offset + 1, 'x', now() FROM segments.event",
        {"lane"},
    ),
    "what a duplicate repeats": ("UPDATE segments.duplicate SET of_offset = 99", {"duplicate"}),
    "a checkpoint beyond its lane": (
        "UPDATE projections.checkpoint SET next_offset = next_offset + 5", {"freshness"},
    ),
    "a checkpoint": ("UPDATE projections.checkpoint SET next_offset = 0", {"user_segment"}),
    "a person that went": ("DELETE FROM segments.person WHERE user_id = 'u'", {"user_segment"}),
}  # fmt: skip


async def test_verify_names_the_view_of_whatever_was_tampered_with(database: Settings) -> None:
    async with log(database) as (lane,):
        first = said(status_change_timestamp=AT)
        await lane.append(
            first, said(segment_id=2), first, b"not JSON", said(user="v", user_status="enter")
        )
        await fold(database)
    async with connected(database) as connection:
        for what, (change, named) in TAMPERED.items():
            tampering = connection.transaction(isolation="repeatable_read")
            await tampering.start()
            # As a superuser may: with the triggers out of the way.
            await connection.execute("SET LOCAL session_replication_role = replica")
            assert not (await connection.execute(change)).endswith(" 0"), what
            await connection.execute("SET LOCAL ROLE segments_operate")
            differences = await verify(connection)
            await tampering.rollback()
            assert named <= {row["view"] for row in differences}, what
            assert all(row["key"] and row["expected"] != row["found"] for row in differences), what
        assert await verify(connection) == []


async def test_verify_sees_one_snapshot_while_events_are_folded(database: Settings) -> None:
    async with log(database) as (lane,), connected(database, "segments_operate") as operator:
        for turn in range(15):
            await lane.append(*(said(user=f"u{n}", reference_id=f"{turn}") for n in range(20)))
            _, differences = await asyncio.gather(fold(database), verify(operator))
            assert differences == []
