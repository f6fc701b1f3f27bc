"""What a topic may say is decided at the append, also when it was changed a moment ago."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from service.kafka.publish import Sender, signed_headers
from service.registry import command_topics
from tests.support.database import connected, erase, make_segments, rows, value
from tests.support.lane import LogLane, command_json

if TYPE_CHECKING:
    from collections.abc import Collection

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
NOW = int(time.time()) - 3600
TOPIC = "crm"


async def allow(
    settings: Settings,
    topic: str = TOPIC,
    networks: Collection[str] | None = None,
    statuses: Collection[str] | None = None,
) -> None:
    async with connected(settings, "segments_registry") as connection:
        await command_topics.allow(
            connection, settings, topic, networks=networks, statuses=statuses
        )


async def revoke(settings: Settings, topic: str = TOPIC) -> None:
    async with connected(settings, "segments_registry") as connection:
        await command_topics.revoke(connection, settings, topic)


@pytest.fixture
async def crm(lane: LogLane) -> LogLane:
    """A lane of another topic than the first, which nobody allowed yet."""
    other = LogLane(lane.database, TOPIC, 0)
    await other.open()
    return other


async def test_a_topic_that_nobody_allowed_may_say_nothing(crm: LogLane) -> None:
    assert await crm.append(command_json()) == ["not_allowed"]


async def test_networks_and_statuses_are_bounds_and_the_detail_says_which(crm: LogLane) -> None:
    await allow(crm.settings, networks=["n"], statuses=["enter", "leave"])
    assert await crm.append(
        command_json(user_status="enter"),
        command_json(user_status="add"),
        command_json(network_id="m", user_status="enter"),
    ) == ["event", "not_allowed", "not_allowed"]
    found = await rows(
        crm.settings,
        "SELECT r.network_id, r.segment_id, r.user_id, r.user_status, x.detail FROM reporting.result AS r"
        " JOIN reporting.rejected AS x USING (kafka_topic, kafka_partition, kafka_epoch, kafka_offset)"
        " WHERE r.reason = 'not_allowed' ORDER BY kafka_offset",
    )
    assert [tuple(row.values()) for row in found] == [
        ("n", 1, "u", "add", "/user_status: this topic may not carry add, only enter, leave"),
        # Nobody's: no view of m's holds what others said in its name.
        (None, 1, None, "enter", "/network_id: this topic may not carry commands of network m"),
    ]


_NOBODYS = """
SELECT count(*) FROM segments.rejected AS r WHERE r.network_id IS NULL AND r.person_id IS NULL
"""


async def test_what_a_bounded_topic_says_of_another_network_is_nobodys_and_makes_no_person_there(
    crm: LogLane,
) -> None:
    """Whatever it is refused for, and whether its value or its key names the other network."""
    await allow(crm.settings, networks=["n"])
    key = b"m:jo@x.com"
    records = [
        command_json(network_id="m", user="jo@x.com", description="a secret of n's"),
        command_json(network_id="m", user="jo@x.com", segment_id="no"),
        (command_json(network_id="m", user="jo@x.com"), [("idempotency-key", b"")]),
        command_json(network_id="m", user="jo@x.com", status_change_timestamp=5),
        (b"{", (), key),
        (command_json(network_id="m"), (), key),
        (command_json(network_id="m", user=7), (), key),
    ]
    assert await crm.append(*records) == [
        "not_allowed", "invalid_field", "invalid_field", "not_allowed", "not_json", "not_allowed", "invalid_field",
    ]  # fmt: skip
    assert await value(crm.settings, _NOBODYS) == len(records)
    people = "SELECT array_agg(DISTINCT network_id) FROM segments.person"
    assert await value(crm.settings, people) == [""]
    # Its own network's refused records are its own.
    assert await crm.append(command_json(user=7), command_json(segment_id=77)) == [
        "invalid_field", "unknown_segment",
    ]  # fmt: skip
    assert await value(crm.settings, _NOBODYS) == len(records)


@pytest.mark.parametrize("known", [False, True])
async def test_an_erasure_reaches_what_a_topic_said_of_a_person_without_a_right_to(
    crm: LogLane, lane: LogLane, *, known: bool
) -> None:
    if known:
        assert await lane.append(command_json(network_id="m", user="jo@x.com")) == ["event"]
    await allow(crm.settings, networks=["n"])
    await crm.append(
        command_json(network_id="m", user="jo@x.com"),
        (b"{", (), b"m:jo@x.com"),
        command_json(segment_id=77),
    )
    held = "SELECT count(*) FROM segments.rejected WHERE payload IS NOT NULL"
    assert await value(crm.settings, held) == 3
    number = await erase(crm.settings, "jo@x.com", "m")
    assert number is not None
    assert await value(crm.settings, held) == 1
    assert not await value(
        crm.settings, "SELECT count(*) FROM segments.person WHERE user_id LIKE '%jo@x.com'"
    )
    if known:
        assert (
            await value(crm.settings, "SELECT user_id FROM reporting.event") == f"erased:{number}"
        )
    assert await erase(crm.settings, "jo@x.com", "m") is None


async def test_it_is_checked_after_the_fields_and_before_everything_else(crm: LogLane) -> None:
    await allow(crm.settings, networks=["n"])
    seen = command_json(status_change_timestamp=NOW, reference_id="r")
    assert await crm.append(seen) == ["event"]
    await allow(crm.settings, networks=["m"])
    assert await crm.append(
        b"x" * 65_537,
        None,
        b"{",
        command_json(segment_id=0),
        (command_json(), [("idempotency-key", b"")]),
        command_json(status_change_timestamp=0),
        command_json(status_change_timestamp=NOW * 1000),
        command_json(
            status_change_timestamp=NOW, expires_at=NOW + 1, user_status="add", segment_id=77
        ),
        seen,
        command_json(status_change_timestamp=NOW, reference_id="r", user_status="block"),
        command_json(segment_id=77),
        command_json(segment_id=9),
    ) == [
        "too_large",
        "tombstone",
        "not_json",
        "invalid_field",
        "invalid_field",
        *["not_allowed"] * 7,
    ]


async def test_the_first_command_after_allow_is_taken(crm: LogLane) -> None:
    """With rules that were read before."""
    await allow(crm.settings, networks=["m"])
    assert await crm.append(command_json()) == ["not_allowed"]
    await allow(crm.settings, networks=["m", "n"])
    assert await crm.append(command_json()) == ["event"]
    await revoke(crm.settings)
    assert await crm.append(command_json()) == ["not_allowed"]


async def test_a_rule_changed_between_preparing_and_storing_counts(crm: LogLane) -> None:
    """In both directions, and the receipts stay as they were."""
    await allow(crm.settings)
    stale = crm.records(
        command_json(user="a"), command_json(user="b", status_change_timestamp=0), b"{"
    )
    batch = await crm.prepare_records([replace(one, timestamp_type=0) for one in stale])
    received_ms = batch.received_ms
    await allow(crm.settings, networks=["m"])
    await crm.store(batch)
    assert batch.received_ms == received_ms
    assert await crm.outcomes() == {0: "not_allowed", 1: "not_allowed", 2: "not_json"}
    batch = await crm.prepare(
        command_json(user="a"), command_json(user="b", status_change_timestamp=0), b"{"
    )
    await allow(crm.settings)
    await crm.store(batch)
    found = await crm.outcomes()
    assert [found[at] for at in (3, 4, 5)] == ["event", "timestamp_too_old", "not_json"]
    people = await value(
        crm.settings,
        "SELECT count(*) FROM segments.rejected AS r"
        " JOIN segments.person AS p ON p.person_id IN (r.person_id, r.key_person_id)",
    )
    assert people == 3, "a record refused anew is its person's, for erasure"


async def test_other_topics_are_left_alone_by_a_rule(lane: LogLane, crm: LogLane) -> None:
    await allow(crm.settings, networks=["m"])
    assert await lane.append(command_json()) == ["event"]
    await allow(lane.settings, lane.lane.topic, statuses=["enter"])
    assert await lane.append(command_json(), command_json(user_status="enter")) == [
        "not_allowed",
        "event",
    ]
    assert await crm.append(command_json(network_id="m")) == ["event"]


async def test_the_same_command_on_two_topics_is_one_event(lane: LogLane, crm: LogLane) -> None:
    await allow(crm.settings)
    timed = command_json(status_change_timestamp=NOW)
    keyed = (command_json(), [("idempotency-key", b"k")])
    assert await lane.append(timed, keyed) == ["event", "event"]
    assert await crm.append(timed, keyed, command_json()) == ["duplicate", "duplicate", "event"]


def signed(lane: LogLane, content: bytes, source: str, *more: tuple[str, bytes]) -> Any:
    return (
        content,
        signed_headers(lane.settings, b"k", content, Sender(source, "ann"), more),
        b"k",
    )


async def test_an_expiry_is_taken_whatever_its_topic_may_say(lane: LogLane) -> None:
    assert await lane.append(command_json(status_change_timestamp=NOW - 100, expires_at=NOW)) == [
        "event"
    ]
    named = await value(lane.settings, "SELECT event_id FROM reporting.event")
    await revoke(lane.settings, lane.lane.topic)
    expiry = command_json(
        user_status="expire", reference_id=f"expire:{named}", status_change_timestamp=NOW
    )
    assert await lane.append(signed(lane, expiry, "expiry"), signed(lane, command_json(), "http")) == [
        "event", "not_allowed",
    ]  # fmt: skip


async def test_a_retry_obeys_the_rule_of_the_topic_where_it_was_refused(
    lane: LogLane, crm: LogLane
) -> None:
    await allow(crm.settings, statuses=["enter"])
    content = command_json(segment_id=50)
    assert await crm.append(content) == ["not_allowed"]
    retry = signed(lane, content, "retry", ("segments-origin", f"{TOPIC}:0:0:0".encode()))
    assert await lane.append(retry) == ["not_allowed"]
    await allow(crm.settings)
    await make_segments(lane.settings, [("n", 50)])
    assert await lane.append(retry) == ["event"]


async def test_a_change_is_recorded_once_with_actor_and_bounds(lane: LogLane) -> None:
    settings = lane.settings
    async with connected(settings, "segments_registry") as connection:
        for _ in range(2):
            await command_topics.allow(
                connection, settings, TOPIC, networks=["b", "a", "b"], actor="ann"
            )
        for _ in range(2):
            await command_topics.revoke(connection, settings, TOPIC, "bob")
        found = await command_topics.list_sources(connection, settings, history=True)
    assert [(one.change, one.networks, one.statuses, one.actor) for one in found] == [
        ("allowed", ["a", "b"], None, "ann"),
        ("revoked", ["a", "b"], None, "bob"),
    ]
    assert all(one.changed_at is not None for one in found)
