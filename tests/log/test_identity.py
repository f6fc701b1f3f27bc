"""What is the same command: the three cases, in their order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.database import rows, value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from tests.support.lane import LogLane

pytestmark = pytest.mark.stack
NOW = int(time.time()) - 3600


def keyed(key: str, **fields: Any) -> tuple[bytes, list[tuple[str, bytes | None]]]:
    return command_json(**fields), [("idempotency-key", key.encode())]


def timed(**fields: Any) -> bytes:
    return command_json(**({"status_change_timestamp": NOW} | fields))


async def test_the_same_command_said_again_is_a_duplicate_of_the_first(lane: LogLane) -> None:
    command = timed(reference_id="r")
    assert await lane.append(command, command) == ["event", "duplicate"]
    assert await lane.append(command) == ["duplicate"]
    assert await rows(lane.settings, "SELECT DISTINCT of_offset FROM segments.duplicate") == [
        {"of_offset": 0}
    ]


async def test_each_part_of_the_identity_makes_another_command(lane: LogLane) -> None:
    first: dict[str, Any] = {"reference_id": "r", "description": "same"}
    others: list[dict[str, Any]] = [
        {"network_id": "m"},
        {"segment_id": 2},
        {"user": "U"},
        {"status_change_timestamp": NOW + 1},
        {"reference_id": "R"},
        {"reference_id": None},
    ]
    commands = [timed(**first), *(timed(**(first | other)) for other in others)]
    assert await lane.append(*commands) == ["event"] * 7


async def test_one_identity_with_other_content_is_a_conflict(lane: LogLane) -> None:
    first: dict[str, Any] = {"reference_id": "r", "metadata": {"a": 2}, "description": "d"}
    others: list[dict[str, Any]] = [
        {"user_status": "block"},
        {"expires_at": NOW + 9999},
        {"description": "else"},
        {"description": None},
        {"metadata": {"a": 1}},
        {"metadata": None},
        {"metadata": {"a": 2, "b": 1}},
    ]
    changed = [timed(**(first | other)) for other in others]
    assert await lane.append(timed(**first), *changed) == ["event"] + ["conflict"] * 7
    assert await lane.append(*changed, timed(**first)) == ["conflict"] * 7 + ["duplicate"]


async def in_pairs(lane: LogLane, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Say the first of each pair and then the second, by a user of their own; gives what became of the second."""
    commands = [
        timed(reference_id="r", user=f"pair {number}")[:-1] + f', "metadata": {text}}}'.encode()
        for number, pair in enumerate(pairs)
        for text in pair
    ]
    outcomes = await lane.append(*commands)
    assert outcomes[::2] == ["event"] * len(pairs)
    return dict(zip(pairs, outcomes[1::2], strict=True))


async def test_equal_json_values_are_the_same_content(lane: LogLane) -> None:
    pairs = [
        ('{"a":1,"b":[1,2]}', '{ "b" : [1, 2],\n "a" : 1 }'),
        ('{"a":1.0}', '{"a":1}'),
        ('{"a":1e2}', '{"a":100}'),
        ('{"a":10e-1}', '{"a":1.000}'),
        ('{"a":-0.0}', '{"a":0}'),
        ('{"a":0e99999}', '{"a":0}'),
        ('{"a":1e300}', '{"a":1' + "0" * 300 + "}"),
        ('{"a":{"x":1,"y":{"p":null,"q":2.50}}}', '{"a":{"y":{"q":2.5,"p":null},"x":1}}'),
        ('{"a":"\\u00e9\\/"}', '{"a":"é/"}'),
        ('{"a":1,"a":2}', '{"a":2}'),
        ('{"\\u0061":1}', '{"a":1}'),
    ]
    assert await in_pairs(lane, pairs) == dict.fromkeys(pairs, "duplicate")


async def test_different_json_values_are_different_content(lane: LogLane) -> None:
    pairs = [
        ('{"a":1}', '{"a":"1"}'),
        ('{"a":1}', '{"a":true}'),
        ('{"a":0}', '{"a":false}'),
        ('{"a":null}', '{"b":null}'),
        ('{"a":[1,2]}', '{"a":[2,1]}'),
        ('{"a":9007199254740993}', '{"a":9007199254740992}'),
        ('{"a":0.1}', '{"a":0.10000000000000000001}'),
        ('{"a":1e-400}', '{"a":0}'),
        ('{"a":"é"}', '{"a":"e\u0301"}'),
        ('{"a":{}}', '{"a":[]}'),
    ]
    assert await in_pairs(lane, pairs) == dict.fromkeys(pairs, "conflict")


async def test_fields_lifted_from_metadata_mean_the_same_as_at_the_top(lane: LogLane) -> None:
    assert await lane.append(
        command_json(status_change_timestamp=NOW, reference_id="r", description="d", metadata={"a": 1}),
        command_json(metadata={"a": 1, "reference_id": "r", "status_change_timestamp": NOW, "description": "d"}),
        command_json(reference_id="r", metadata={"description": "d", "a": 1.0, "status_change_timestamp": NOW}),
    ) == ["event", "duplicate", "duplicate"]  # fmt: skip


async def test_absent_null_and_empty_optional_fields_are_the_same(lane: LogLane) -> None:
    blank = {"metadata": "", "description": "", "expires_at": "", "reference_id": ""}
    assert (
        await lane.append(
            timed(),
            timed(**blank),
            timed(**dict.fromkeys(blank)),
            timed(metadata={}),
            timed(metadata={"description": "", "reference_id": None}),
        )
        == ["event"] + ["duplicate"] * 4
    )


async def test_emails_are_one_person_however_they_are_spelled(lane: LogLane) -> None:
    assert await lane.append(
        timed(user="a@b.C"), timed(user="\t A@B.c\r\n"), timed(user="a@b.ç"), timed(user="a@b.Ç")
    ) == ["event", "duplicate", "event", "event"]
    assert await lane.append(timed(user="Straße@x"), timed(user="strasse@x")) == ["event", "event"]
    assert await lane.append(timed(user=" id "), timed(user="id")) == ["event", "event"]


async def test_without_a_reference_the_content_stands_in(lane: LogLane) -> None:
    """So that two different commands of one second are both events, and a repeat is still a duplicate."""
    assert await lane.append(
        timed(), timed(user_status="block"), timed(), timed(description="d"), timed(description="d")
    ) == ["event", "event", "duplicate", "event", "duplicate"]
    references = await rows(lane.settings, "SELECT reference_id FROM segments.event")
    assert all(row["reference_id"].startswith("auto:") for row in references)


async def test_without_a_time_every_receipt_is_a_new_command(lane: LogLane) -> None:
    assert (
        await lane.append(
            command_json(),
            command_json(),
            command_json(reference_id="r"),
            command_json(reference_id="r"),
        )
        == ["event"] * 4
    )
    found = await rows(
        lane.settings,
        "SELECT reference_id, discriminator FROM segments.event ORDER BY kafka_offset",
    )
    topic = lane.lane.topic
    assert [row["reference_id"] for row in found] == [
        f"auto:{topic}-0-0",
        f"auto:{topic}-0-1",
        "r",
        "r",
    ]
    assert len({row["discriminator"] for row in found}) == 4


async def test_an_idempotency_key_names_its_command_whatever_the_receipt(lane: LogLane) -> None:
    assert await lane.append(keyed("k"), keyed("k")) == ["event", "duplicate"]
    assert await lane.append(keyed("k"), keyed("K"), keyed("k", network_id="m")) == [
        "duplicate", "event", "event",
    ]  # fmt: skip


async def test_an_idempotency_key_said_with_anything_else_is_a_conflict(lane: LogLane) -> None:
    others: list[dict[str, Any]] = [
        {"segment_id": 2},
        {"user": "w"},
        {"reference_id": "r"},
        {"status_change_timestamp": NOW},
        {"user_status": "block"},
        {"description": "d"},
        {"metadata": {"a": 1}},
    ]
    changed = [keyed("k", **other) for other in others]
    assert await lane.append(keyed("k"), *changed) == ["event"] + ["conflict"] * 7
    assert await lane.append(*changed, keyed("k")) == ["conflict"] * 7 + ["duplicate"]


async def test_the_key_decides_before_the_identity_does(lane: LogLane) -> None:
    """A key seen before names its command, also where the identity is another event's."""
    first = {"status_change_timestamp": NOW, "reference_id": "1"}
    second = {"status_change_timestamp": NOW, "reference_id": "2"}
    assert await lane.append(keyed("k", **first), command_json(**second)) == ["event", "event"]
    assert await lane.append(keyed("k", **second)) == ["conflict"]
    assert await lane.append(keyed("k", **first, user=" u")) == ["conflict"]


async def test_a_key_on_a_duplicate_is_remembered_too(lane: LogLane) -> None:
    assert await lane.append(timed(reference_id="r")) == ["event"]
    assert await lane.append(keyed("k", status_change_timestamp=NOW, reference_id="r")) == [
        "duplicate"
    ]
    assert await lane.append(keyed("k", status_change_timestamp=NOW, reference_id="s")) == [
        "conflict"
    ]
    assert await lane.append(
        keyed("both", status_change_timestamp=NOW, reference_id="r"),
        keyed("both", status_change_timestamp=NOW, reference_id="r"),
    ) == ["duplicate", "duplicate"]


async def test_a_key_on_a_refused_record_is_not_remembered(lane: LogLane) -> None:
    assert await lane.append(keyed("k", segment_id=77), keyed("k", segment_id=1)) == [
        "unknown_segment", "event",
    ]  # fmt: skip


async def test_a_key_is_1_to_255_printable_ascii_characters(lane: LogLane) -> None:
    odd = [b"", b"a" * 256, b"\n", b"\x7f", "é".encode(), None]
    values = [(command_json(), [("idempotency-key", key)]) for key in odd]
    assert await lane.append(*values) == ["invalid_field"] * len(odd)
    fine = [b" ", b"~" * 255, b"a" * 255]
    assert (
        await lane.append(*[(command_json(), [("idempotency-key", key)]) for key in fine])
        == ["event"] * 3
    )


async def test_duplicates_answer_with_the_events_own_position(lane: LogLane) -> None:
    await lane.append(timed(reference_id="a"), timed(reference_id="b"), timed(reference_id="b"))
    event = await value(
        lane.settings, "SELECT event_id FROM reporting.event WHERE reference_id = 'b'"
    )
    duplicate_of = await value(
        lane.settings, "SELECT duplicate_of_event_id FROM reporting.duplicate"
    )
    assert duplicate_of == event
