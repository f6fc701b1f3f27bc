"""Replayed events at the append: what their signed origin states, and the events that replayed expiries name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from service.kafka.publish import Sender, signed_headers
from service.log.expire_events import NamedStatement
from tests.support.database import rows, sound
from tests.support.lane import command_json

if TYPE_CHECKING:
    from tests.support.lane import LogLane

pytestmark = pytest.mark.stack
AT = 1_700_000_000
FIRST = "elsewhere.commands:7:2:99"
ADDED = {"status_change_timestamp": AT, "expires_at": AT + 60}


def replayed(lane: LogLane, content: bytes, sender: Sender, origin: str) -> Any:
    headers = signed_headers(
        lane.settings, b"n:u", content, sender, (("segments-origin", origin.encode()),)
    )
    return content, headers, b"n:u"


def added(lane: LogLane, **fields: Any) -> Any:
    return replayed(lane, command_json(**ADDED | fields), Sender("kafka", None), f"{FIRST}@{AT}")


def expired(lane: LogLane, statement: NamedStatement | str, at: int = AT + 60) -> Any:
    content = command_json(
        user_status="expire", status_change_timestamp=at, reference_id="expire:of-elsewhere"
    )
    return replayed(lane, content, Sender("expiry", None, str(statement)), f"{FIRST}@{at}")


async def named(lane: LogLane) -> list[tuple[Any, ...]]:
    """Give the offset that each expire names, and whether its reference is that event's id here."""
    found = await rows(
        lane.settings,
        "SELECT e.expired_offset, e.reference_id = 'expire:' || n.event_id AS is_its_id FROM segments.event AS e"
        " LEFT JOIN reporting.event AS n ON n.kafka_offset = e.expired_offset"
        " WHERE e.user_status = 6 ORDER BY e.kafka_offset",
    )
    return [tuple(row.values()) for row in found]


async def test_a_time_and_a_reference_are_those_of_the_first_receipt(lane: LogLane) -> None:
    content = command_json()
    record = replayed(lane, content, Sender("http", "ann"), f"{FIRST}@{AT}")
    assert await lane.append(record) == ["event"]
    again = replayed(lane, content, Sender("http", "ann"), f"{FIRST}@{AT}")
    assert await lane.append(again) == ["duplicate"]
    (event,) = await rows(
        lane.settings,
        "SELECT extract(epoch FROM status_change_timestamp)::bigint AS at, discriminator, reference_id, source, actor"
        " FROM segments.event",
    )
    assert event == {
        "at": AT, "discriminator": FIRST, "reference_id": "auto:elsewhere.commands-7-99",
        "source": "http", "actor": "ann",
    }  # fmt: skip


@pytest.mark.parametrize("reference", [None, "r"])
async def test_an_expiry_names_an_event_of_its_own_batch_or_of_an_earlier_one(
    lane: LogLane, reference: str | None
) -> None:
    """A replay brings both within a moment; of two that it may name, the last in the fold's order."""
    of = {} if reference is None else {"reference_id": reference}
    statement = NamedStatement(AT, reference, "")
    assert (
        await lane.append(
            added(lane, reference_id="another", expires_at=AT + 61),
            added(lane, **of),
            expired(lane, statement),
        )
        == ["event"] * 3
    )
    assert await named(lane) == [(1, True)]
    assert await lane.append(added(lane, **of), expired(lane, statement)) == ["duplicate"] * 2
    later = {"status_change_timestamp": AT + 5, "expires_at": AT + 70}
    assert await lane.append(added(lane, **of, **later)) == ["event"]
    assert await lane.append(expired(lane, NamedStatement(AT + 5, reference, ""), AT + 70)) == [
        "event"
    ]
    assert await named(lane) == [(1, True), (5, True)]
    await sound(lane.settings)


async def test_of_events_that_are_replayed_twice_in_one_batch_an_expiry_names_the_first(
    lane: LogLane,
) -> None:
    """A replay that was interrupted is run again before ingest has read the first."""
    twice = [added(lane), expired(lane, NamedStatement(AT, None, ""))]
    again = [added(lane), expired(lane, NamedStatement(AT, None, ""))]
    assert await lane.append(*twice, *again) == ["event"] * 2 + ["duplicate"] * 2
    assert await named(lane) == [(0, True)]
    await sound(lane.settings)


@pytest.mark.parametrize(
    "statement",
    [
        NamedStatement(AT + 1, None, ""),
        NamedStatement(AT, "other", ""),
        NamedStatement(AT, None, FIRST),
        "",
        "{",
        "7",
        json.dumps([AT, None]),
        json.dumps([AT, None, "", 1]),
        json.dumps(["soon", None, ""]),
        json.dumps([None, None, None]),
        json.dumps([10**30, None, ""]),
        json.dumps([AT, "\0", ""]),
        json.dumps([AT, None, "\ud800"]),
    ],
)
async def test_an_expiry_that_names_nothing_is_rejected_and_stops_no_lane(
    lane: LogLane, statement: NamedStatement | str
) -> None:
    assert await lane.append(added(lane), expired(lane, statement), command_json(user="next")) == [
        "event",
        "invalid_field",
        "event",
    ]


@pytest.mark.parametrize(
    "origin", ["@1", "x@1", f"{FIRST}@", f"{FIRST}@-1", f"{FIRST}@{'9' * 12}", f"{FIRST}@0", f"{FIRST}@1;erased;"]
)  # fmt: skip
async def test_no_odd_origin_stops_a_lane(lane: LogLane, origin: str) -> None:
    record = replayed(lane, command_json(), Sender("http", "ann"), origin)
    (outcome, after) = await lane.append(record, command_json(user="next"))
    assert after == "event"
    assert outcome in ("event", "timestamp_in_future", "timestamp_too_old")
