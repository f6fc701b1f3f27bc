"""verify finds a change of any column of the log, whoever made it; an erasure's blanks it tells from others'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from projections.operations.verify import verify
from service.log.proof import count_erased
from tests.log.test_signed_headers import signed
from tests.projections.folding import fold, log
from tests.support.database import UNGUARDED, connected, erase, value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from service.runtime.settings import Settings
    from tests.support.lane import LogLane

pytestmark = pytest.mark.stack
AT = 1_700_000_000
DUE = AT + 60
# What becomes of each column of segments.event, and of what else view `event` shows of a row.
EVENT = {
    "lane_id": "lane_id + 2",
    "segment_key": "3 - segment_key",
    "kafka_offset": "kafka_offset + 100",
    "person_id": "(SELECT min(p.person_id) FROM segments.person AS p WHERE p.person_id <> e.person_id)",
    "status_change_timestamp": "status_change_timestamp - interval '1 second'",
    "received_at": "received_at - interval '1 millisecond'",
    "recorded_at": "recorded_at + interval '1 microsecond'",
    "user_status": "7 - user_status",
    "content": "'0123456789abcdef'",
    "reference_id": "reference_id || 'x'",
    "discriminator": "discriminator || 'x'",
    "expires_at": "coalesce(expires_at, '2099-01-01') + interval '1 second'",
    "expired_lane_id": "coalesce(expired_lane_id, 0) + 1",
    "expired_offset": "coalesce(expired_offset, 0) + 1",
    "source": "CASE WHEN source IS NULL THEN 'http' END",
    "actor": "coalesce(actor, '') || 'x'",
    "request_id": "coalesce(request_id, '') || 'x'",
    "user_sent": "CASE WHEN user_sent IS NULL THEN (SELECT p.user_id || ' ' FROM segments.person AS p"
    " WHERE p.person_id = e.person_id) END",
    "description": "coalesce(description, '') || 'x'",
    "metadata": """(coalesce(metadata::text, '{"a": 1}') || ' ')::json""",
    "digest": "'0123456789abcdef'",
    "blanked": "'0123456789abcdef'",
}
SHOWN = {
    "kafka_topic": "UPDATE segments.lane SET topic = 'other'",
    "kafka_partition": "UPDATE segments.lane SET partition = partition + 10",
    "kafka_epoch": "UPDATE segments.lane SET epoch = 3",
    "network_id": "WITH s AS (UPDATE segments.segment SET network_id = 'm')"
    " UPDATE segments.person SET network_id = 'm'",
    "segment_id": "UPDATE segments.segment SET segment_id = segment_id + 10",
    "user_id": "UPDATE segments.person SET user_id = user_id || 'x'",
    "salt": "UPDATE segments.person SET salt = 'other'",
    "metadata": "UPDATE segments.event SET metadata = replace(metadata::text, '1.50', '1.5')::json",
    "somebody blanked": "UPDATE segments.person"
    " SET user_id = 'erased:99', erased = 99, salt = '' WHERE user_id = 'other'",
}
OTHERS = {
    "duplicate": {
        "lane_id": "lane_id + 2",
        "kafka_offset": "kafka_offset + 100",
        "received_at": "received_at - interval '1 millisecond'",
        "recorded_at": "recorded_at + interval '1 microsecond'",
        "of_lane_id": "of_lane_id + 1",
        "of_offset": "of_offset + 1",
        "segment_key": "segment_key + 1",
        "digest": "''",
    },
    "hole": {
        "lane_id": "lane_id + 2",
        "first_offset": "first_offset - 1",
        "next_offset": "next_offset + 1",
        "cause": "'other'",
        "recorded_at": "recorded_at + interval '1 microsecond'",
        "digest": "''",
    },
    "rejected": {
        "lane_id": "lane_id + 2",
        "kafka_offset": "kafka_offset - 1",
        "received_at": "received_at - interval '1 millisecond'",
        "recorded_at": "recorded_at + interval '1 microsecond'",
        "reason": "'other'",
        "detail": "coalesce(detail, '') || 'x'",
        "network_id": "coalesce(network_id, '') || 'x'",
        "person_id": "(SELECT max(person_id) + 1 FROM segments.person)",
        "segment_id": "coalesce(segment_id, 0) + 1",
        "user_status": "coalesce(user_status, '') || 'x'",
        "status_change_timestamp": "coalesce(status_change_timestamp, now()) + interval '1 second'",
        "reference_id": "coalesce(reference_id, '') || 'x'",
        "record_key": "coalesce(record_key, '') || 'x'",
        "payload": "coalesce(payload, '') || 'x'",
        "payload_text": "coalesce(payload_text, '') || 'x'",
        "headers": """coalesce(headers, '{}') || '{"x": "x"}'""",
        "key_person_id": "(SELECT max(person_id) + 1 FROM segments.person)",
        "next_offset": "next_offset + 1",
        "salt": "coalesce(salt, '') || 'x'",
        "digest": "''",
        "blanked": "'0123456789abcdef'",
    },
}
_COLUMNS = """
SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped
"""
_PLACES = "SELECT concat_ws('-', kafka_topic, kafka_partition, kafka_epoch, kafka_offset) FROM reporting.event"


async def full(lane: LogLane, user: str) -> None:
    """Append an event with every field, an expiry, others; each way of appending, and what is no event."""
    everything = {
        "user": f" {user.upper()}@x.com",
        "description": "why",
        "metadata": {"z": 1.50, "a": [1]},
        "reference_id": user,
        "status_change_timestamp": AT,
        "expires_at": DUE,
    }
    text = command_json(**everything).replace(b"1.5,", b"1.50,")
    assert await lane.append(signed(lane, text)) == ["event"]
    event = await value(
        lane.settings, f"SELECT event_id FROM reporting.event WHERE reference_id = '{user}'"
    )
    expiry = command_json(
        user=f"{user}@x.com", user_status="expire", status_change_timestamp=DUE, reference_id=f"expire:{event}"
    )  # fmt: skip
    plain = command_json(user=f"{user}@x.com", segment_id=2, status_change_timestamp=AT)
    assert await lane.append(
        signed(lane, expiry, source="expiry", actor=None),
        plain,
        plain,
        (command_json(user=f"{user}@x.com", segment_id=9, reference_id="r"), [("idempotency-key", b"k")],
         b"n:" + user.encode()),
        command_json(user=f"{user}@x.com", status_change_timestamp=AT, metadata={"z": 1.50}, segment_id=2,
                     reference_id="q"),
    ) == ["event", "event", "duplicate", "unknown_segment", "event"]  # fmt: skip
    batch = await lane.appender.prepare(
        lane.lane, lane.lane_id, lane.next_offset, lane.next_offset + 2, [], lane.received_ms, lane.incarnation
    )  # fmt: skip
    await lane.store(batch)


@pytest.fixture
async def filled(database: Settings) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection as the superuser to a log in which somebody is erased."""
    async with log(database, 4) as (lane, other, *_):
        await full(lane, "ann")
        await full(other, "bob")
        await other.append(
            command_json(user="other"), command_json(user="bob@x.com", reference_id="more")
        )
        await fold(database)
        assert await erase(database, "bob@x.com") is not None
        async with connected(database) as connection:
            yield connection


async def differences(connection: asyncpg.Connection[Any], change: str) -> list[tuple[str, str]]:
    """Verify after a change, as the role that does; gives view and key of what differs."""
    tampering = connection.transaction(isolation="repeatable_read")
    await tampering.start()
    try:
        await connection.execute(UNGUARDED)
        assert not (await connection.execute(change)).endswith(" 0"), change
        await connection.execute("SET LOCAL ROLE segments_operate")
        found = await verify(connection)
    finally:
        await tampering.rollback()
    assert all(row["expected"] != row["found"] for row in found), found
    return [(str(row["view"]), str(row["key"])) for row in found]


async def test_verify_finds_a_change_of_any_column_of_an_event(
    filled: asyncpg.Connection[Any],
) -> None:
    """Of each event: signed and not, of one appended with others and alone, of an expiry, of an erased person's."""
    assert {row[0] for row in await filled.fetch(_COLUMNS, "segments.event")} == EVENT.keys()
    assert await verify(filled) == []
    places = {row[0] for row in await filled.fetch(_PLACES)}
    assert len(places) == 10
    for column, change in EVENT.items():
        found = await differences(filled, f"UPDATE segments.event AS e SET {column} = {change}")
        named = {key for view, key in found if view == "event"}
        assert len(named) == 10, (column, found)
        assert named == places or column in ("lane_id", "kafka_offset"), (column, found)
    for column, change in SHOWN.items():
        assert "event" in {view for view, _ in await differences(filled, change)}, column


async def test_verify_finds_a_change_of_any_column_of_what_is_no_event(
    filled: asyncpg.Connection[Any],
) -> None:
    for table, columns in OTHERS.items():
        assert {r[0] for r in await filled.fetch(_COLUMNS, f"segments.{table}")} == columns.keys()
        for column, change in columns.items():
            found = await differences(filled, f"UPDATE segments.{table} SET {column} = {change}")
            assert table in {view for view, _ in found}, (table, column)


async def test_what_an_erasure_blanked_stays_blank_and_what_remains_is_compared(
    filled: asyncpg.Connection[Any],
) -> None:
    assert await count_erased(filled) == 5
    of_bob = "WHERE person_id = (SELECT person_id FROM segments.person WHERE erased > 0)"
    for column in ("user_sent", "description", "metadata"):
        found = await differences(filled, f"UPDATE segments.event SET {column} = '{{}}' {of_bob}")
        assert [view for view, _ in found].count("event") == 5, column
    for column in ("detail", "record_key", "payload", "payload_text", "headers", "salt"):
        found = await differences(
            filled, f"UPDATE segments.rejected SET {column} = '{{}}' {of_bob}"
        )
        assert "rejected" in {view for view, _ in found}, column


async def test_what_no_erasure_blanked_is_found_blank(filled: asyncpg.Connection[Any]) -> None:
    of_ann = "WHERE person_id = (SELECT person_id FROM segments.person WHERE user_id = 'ann@x.com')"
    for change, view in (
        ("UPDATE segments.event SET user_sent = NULL, description = NULL, metadata = NULL", "event"),
        (("UPDATE segments.rejected AS r SET detail = NULL, record_key = NULL, payload = NULL, payload_text = NULL,"
         " headers = NULL, salt = NULL, blanked = segments.personal_digest(r)"), "rejected"),
    ):  # fmt: skip
        assert view in {found for found, _ in await differences(filled, f"{change} {of_ann}")}
