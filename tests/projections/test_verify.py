"""verify names whatever was tampered with (hazards 24 and 27)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from projections.fold.rebuild import rebuild
from projections.fold.worker import project
from projections.operations.verify import verify
from service.ingest.role import ingest
from tests.log.test_signed_headers import signed
from tests.projections.folding import fold, log
from tests.support.database import UNGUARDED, connected, folded, value
from tests.support.kafka import NewRecord, publish
from tests.support.lane import command_json
from tests.support.roles import service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
AT = 1_700_000_000
# Numbers that Postgres writes otherwise than they were sent.
NUMBERS = {
    "a": 1.50,
    "b": 1e22,
    "c": [-0.0, 10**40, 1e-7, 5e-324, 1.7e308],
    "é\n": "\u2028",
    "z": {"y": None, "x": []},
}
TAMPERED = {
    "a state": (
        "UPDATE projections.membership SET is_member = false WHERE is_member AND segment_key = 1",
        {"user_segment", "segment_size"},
    ),
    "a state's least part": (
        "UPDATE projections.membership SET last_change_at = last_change_at + interval '1 microsecond'",
        {"user_segment"},
    ),
    "a state that went": ("DELETE FROM projections.membership WHERE segment_key = 2", {"user_segment", "segment_size"}),
    "a state of nobody": (
        ("INSERT INTO projections.membership"
        " (slot, segment_key, person_id, network_id, segment_id, is_member, override)"
        " SELECT slot, segment_key, 99, network_id, segment_id, is_member, override"
        " FROM projections.membership LIMIT 1"),
        {"user_segment"},
    ),
    "a state's segment": (
        "UPDATE projections.membership SET segment_id = 9 WHERE segment_key = 1", {"user_segment"},
    ),
    "a size": ("UPDATE projections.size SET members = members + 1", {"segment_size"}),
    "a size that went": ("DELETE FROM projections.size", {"segment_size"}),
    "a day": ("UPDATE projections.size_daily SET joined = joined + 1, departed = departed + 1", {"segment_size_daily"}),
    "causes of a day": ("UPDATE projections.size_daily SET added = added + 1", {"segment_size_daily"}),
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
        "INSERT INTO segments.hole SELECT lane_id, kafka_offset, kafka_offset + 1, 'x', now(), '' FROM segments.event",
        {"lane"},
    ),
    "what a duplicate repeats": ("UPDATE segments.duplicate SET of_offset = 99", {"duplicate"}),
    "a checkpoint beyond its lane": (
        "UPDATE projections.checkpoint SET next_offset = next_offset + 5", {"freshness"},
    ),
    "a checkpoint": ("UPDATE projections.checkpoint SET next_offset = 0", {"user_segment"}),
    "a row without a state": (
        ("INSERT INTO projections.membership (slot, segment_key, person_id, network_id, segment_id)"
        " SELECT slot, 2, person_id, network_id, 2 FROM projections.membership AS m"
        " WHERE NOT EXISTS (SELECT FROM projections.membership AS n WHERE n.segment_key = 2"
        " AND n.person_id = m.person_id)"),
        {"user_segment"},
    ),
    "a state set to null": (
        "UPDATE projections.membership SET is_member = NULL WHERE segment_key = 1", {"user_segment"},
    ),
    "until when all is complete": (
        "UPDATE projections.checkpoint SET complete_until = complete_until + interval '1 day'", {"watermark"},
    ),
    "until when all is recorded": (
        "UPDATE projections.checkpoint SET recorded_until = recorded_until + interval '1 day'", {"watermark"},
    ),
    "until when all is recorded, past what is not projected": (
        ("UPDATE projections.checkpoint AS c SET next_offset = 0, recorded_until = e.recorded_at + interval '1 s'"
        " FROM segments.event AS e WHERE e.kafka_offset = 0"),
        {"watermark"},
    ),
    "which slot serves": ("UPDATE projections.generation SET slot = 1 - slot", {"freshness"}),
    "what SQL made the slot": ("UPDATE projections.generation SET digest = 'x'", {"projections.generation"}),
    "that any SQL made it": ("UPDATE projections.generation SET digest = NULL", {"projections.generation"}),
    "a generation that went": ("DELETE FROM projections.generation", {"projections.generation"}),
    "how far memberships were told": (
        "INSERT INTO projections.membership_outbox SELECT lane_id, next_offset + 1 FROM projections.checkpoint",
        {"projections.membership_outbox"},
    ),
    "a lane that was told of and is none": (
        "INSERT INTO projections.membership_outbox VALUES (99, 1)", {"projections.membership_outbox"},
    ),
    "how far refusals were told": (
        "INSERT INTO segments.rejected_outbox SELECT lane_id, next_offset + 1 FROM segments.lane",
        {"segments.rejected_outbox"},
    ),
    "an expiry that is not said again": (
        ("INSERT INTO projections.expiry (segment_key, person_id, stated_lane_id, stated_offset, again_at)"
        " SELECT segment_key, person_id, lane_id, kafka_offset, now() + interval '62 minutes' FROM segments.event"
        " WHERE kafka_offset = 0"),
        {"projections.expiry"},
    ),
    "a person that went": ("DELETE FROM segments.person WHERE user_id = 'u'", {"user_segment", "event"}),
    "whose a person is": ("UPDATE segments.person SET network_id = 'm' WHERE user_id = 'u'", {"event", "user_segment"}),
    "whose a segment is": (
        "UPDATE segments.segment SET network_id = 'o' WHERE segment_id = 2", {"event", "user_segment"},
    ),
    "a segment that went": (
        "DELETE FROM segments.segment WHERE network_id = 'n' AND segment_id = 1",
        {"event", "user_segment", "segment_size"},
    ),
    "whose an idempotency key is": ("UPDATE segments.idempotency SET network_id = 'm'", {"duplicate"}),
    "whose a refused record is": ("UPDATE segments.rejected SET network_id = 'm', person_id = 1", {"rejected"}),
    "a refused record of nobody": ("UPDATE segments.rejected SET key_person_id = 99", {"rejected"}),
    "a description": ("UPDATE segments.event SET description = 'other' WHERE kafka_offset = 0", {"event"}),
    "metadata": ("""UPDATE segments.event SET metadata = '{"n": 1.5}' WHERE kafka_offset = 4""", {"event"}),
    "a status": ("UPDATE segments.event SET user_status = 2 WHERE kafka_offset = 0", {"event"}),
    "an expiry": ("UPDATE segments.event SET expires_at = '2099-01-01' WHERE kafka_offset = 0", {"event"}),
    "a user as sent": ("UPDATE segments.event SET user_sent = 'w' WHERE kafka_offset = 0", {"event"}),
    "a reference made of the content": (
        "UPDATE segments.event SET reference_id = 'auto:00' WHERE kafka_offset = 0", {"event"},
    ),
    "a salt": ("UPDATE segments.person SET salt = 'other' WHERE user_id = 'u'", {"event"}),
}  # fmt: skip


async def test_verify_names_the_view_of_whatever_was_tampered_with(database: Settings) -> None:
    async with log(database) as (lane,):
        first = command_json(status_change_timestamp=AT)
        await lane.append(
            first,
            command_json(segment_id=2),
            first,
            b"not JSON",
            command_json(user="v", user_status="enter", description="why", metadata=NUMBERS),
            (command_json(user="k"), [("idempotency-key", b"k")]),
        )
        await fold(database)
    async with connected(database) as connection:
        for what, (change, named) in TAMPERED.items():
            tampering = connection.transaction(isolation="repeatable_read")
            await tampering.start()
            # As a superuser may: with the triggers out of the way.
            await connection.execute(UNGUARDED)
            assert not (await connection.execute(change)).endswith(" 0"), what
            await connection.execute("SET LOCAL ROLE segments_operate")
            differences = await verify(connection)
            await tampering.rollback()
            assert named <= {row["view"] for row in differences}, what
            assert all(row["key"] and row["expected"] != row["found"] for row in differences), what
        assert await verify(connection) == []


async def test_verify_knows_what_an_expiry_says(database: Settings) -> None:
    """With free text its digest takes the person's salt, without it none."""
    due = AT + 60
    more = {"u": {}, "v": {"description": "lapsed"}}
    async with log(database) as (lane,):
        for user, fields in more.items():
            await lane.append(command_json(user=user, status_change_timestamp=AT, expires_at=due))
            query = f"SELECT event_id FROM reporting.event WHERE user_id = '{user}'"
            fields |= {"reference_id": f"expire:{await value(database, query)}"}
            expiry = command_json(
                user=user, user_status="expire", status_change_timestamp=due, **fields
            )
            spoken = signed(lane, expiry, source="expiry", actor=None)
            assert await lane.append(spoken) == ["event"]
        await fold(database)
    async with connected(database) as connection:
        assert await verify(connection) == []
        tampering = connection.transaction(isolation="repeatable_read")
        await tampering.start()
        await connection.execute(UNGUARDED)
        await connection.execute(
            "UPDATE segments.event SET description = 'x' WHERE user_status = 6"
        )
        await connection.execute("SET LOCAL ROLE segments_operate")
        differences = await verify(connection)
        await tampering.rollback()
    assert [row["view"] for row in differences].count("event") == 2


async def test_verify_waits_for_nothing_that_is_only_not_done_yet(database: Settings) -> None:
    """No digest before the first fold, a lane without a checkpoint, told less than all, an expiry on its way."""
    async with log(database, 2) as (lane, other):
        await lane.append(command_json(), b"not JSON")
        await other.append(b"not JSON")
        async with connected(database) as connection:
            assert await verify(connection) == []
            await connection.execute(
                "DELETE FROM projections.checkpoint WHERE lane_id = $1", other.lane_id
            )
            assert await verify(connection) == []
            await fold(database)
            await connection.execute(
                "INSERT INTO projections.expiry (segment_key, person_id, stated_lane_id, stated_offset, again_at)"
                " SELECT segment_key, person_id, lane_id, kafka_offset, now() + interval '1 hour' FROM segments.event"
            )
            await connection.execute(
                "INSERT INTO projections.membership_outbox SELECT lane_id, 1 FROM projections.checkpoint"
            )
            assert await verify(connection) == []


async def test_verify_sees_one_snapshot_while_events_are_folded(database: Settings) -> None:
    async with log(database) as (lane,), connected(database, "segments_operate") as operator:
        for turn in range(15):
            await lane.append(
                *(command_json(user=f"u{n}", reference_id=f"{turn}") for n in range(20))
            )
            _, differences = await asyncio.gather(fold(database), verify(operator))
            assert differences == []


async def test_verify_finds_nothing_while_records_come_lanes_are_opened_and_rebuilds_swap(
    ready: Settings,
) -> None:
    small = ready.model_copy(update={"ingest_batch_records": 60, "project_batch_records": 40})
    async with service(small, ingest, project), connected(ready, "segments_operate") as operator:
        for turn in range(8):
            await publish(
                ready,
                [
                    NewRecord(user=f"u{n}", reference_id=f"{turn}", lane=n % min(turn + 1, 4))
                    for n in range(100)
                ],
            )
            rebuilding = asyncio.create_task(rebuild(small))
            while True:
                assert await verify(operator) == []
                if rebuilding.done():
                    break
            await rebuilding
        await folded(ready)
        assert await verify(operator) == []
