"""The append as far as the oracle goes: receipt, and order of the checks."""

import json
from typing import Any

import pytest

from tests.oracle import Outcome
from tests.oracle.script import NOON, START, TOPIC, Script, after

EVENT = Outcome("event")

CONFLICT = Outcome("rejected", reason="conflict")


def duplicate(offset: int, lane: int = 0) -> Outcome:
    return Outcome("duplicate", of=(TOPIC, lane, 0, offset))


def refused(reason: str) -> Outcome:
    return Outcome("rejected", reason=reason)


@pytest.mark.parametrize(
    ("sent", "user"),
    [
        (" \t\n\r\v\fAnn@Example.COM ", "ann@example.com"),
        ("Stra\u00dfe@x", "stra\u00dfe@x"),
        ("\u0130\u212a@X", "\u0130\u212a@x"),
        ("\u00a0a@x", "\u00a0a@x"),
        (" Ann ", " Ann "),
    ],
)
def test_only_an_email_is_normalised_and_only_in_ascii(sent: str, user: str) -> None:
    script = Script()
    script.say("add", at=0, user=sent)
    assert script.row("event", user)["user_sent"] == sent


@pytest.mark.parametrize("blank", [None, ""])
def test_null_and_empty_are_absent(blank: str | None) -> None:
    script = Script()
    fields: dict[str, Any] = dict.fromkeys(
        ["reference_id", "status_change_timestamp", "description", "metadata", "expires_at"], blank
    )
    assert script.say("add", **fields) == EVENT
    row = script.row("event")
    assert (row["description"], row["metadata"], row["expires_at"]) == (None, None, None)
    assert not row["time_given"]


def test_a_blank_time_is_the_receipt_cut_to_the_second() -> None:
    script = Script()
    script.clock_ms += 789
    script.say("add")
    row = script.row("event")
    assert row["status_change_timestamp"] == after(NOON + 1)
    assert row["received_at"].microsecond == 789_000
    assert row["reference_id"] == f"auto:{TOPIC}-0-0"


def test_metadata_may_hold_fields_which_move_to_the_top_level() -> None:
    script = Script()
    inside = {"reference_id": "r", "status_change_timestamp": START, "description": "d"}
    assert script.say("add", metadata=inside | {"n": 1}) == EVENT
    row = script.row("event")
    assert (row["reference_id"], row["description"], row["metadata"]) == ("r", "d", {"n": 1})
    assert row["status_change_timestamp"] == after(0)
    assert script.say("add", at=0, reference_id="r", description="d", metadata={"n": 1}) == (
        duplicate(0)
    )


def test_metadata_left_empty_is_absent() -> None:
    script = Script()
    script.say("add", at=0, reference_id="r", metadata={"description": "", "reference_id": "r"})
    assert script.row("event")["metadata"] is None


def test_a_field_given_in_both_places_must_be_the_same() -> None:
    script = Script()
    assert script.say("add", description="d", metadata={"description": "d"}) == EVENT
    assert script.say("add", description="d", metadata={"description": "e"}) == (
        refused("invalid_field")
    )


def test_the_receipt_never_falls_within_a_lane() -> None:
    script = Script()
    script.say("add", at=0)
    script.send(None, step_ms=5000)  # a refused record counts too
    script.say("add", at=1)
    script.clock_ms -= 60_000
    script.say("add", at=2)
    script.say("add", at=3, lane=1)
    received = [row["received_at"] for row in script.rows("event")]
    assert received == [after(NOON + 1), after(NOON + 7), after(NOON + 7), after(NOON - 51)]


def test_no_other_header_decides_anything() -> None:
    odd = (("traceparent", b"\xff"), ("x", None), ("segments-source", b"http"))
    script = Script()
    assert script.say("add", headers=odd) == EVENT
    assert (script.row("event")["source"], script.row("event")["actor"]) == ("kafka", None)


def test_source_and_actor_are_as_signed() -> None:
    script = Script()
    signed = (("segments-source", b"http"), ("segments-actor", b"a"), ("segments-signature", b"s"))
    script.say("add", headers=signed)
    assert (script.row("event")["source"], script.row("event")["actor"]) == ("http", "a")


class TestOrderOfChecks:
    def test_the_first_reason_that_fits_is_given(self) -> None:
        script = Script()
        good = json.dumps({"network_id": "acme", "user": "a", "user_status": "add"})
        assert script.send(b"{" + b" " * 65_536) == refused("too_large")
        assert script.send(None) == refused("tombstone")
        assert script.send(b"") == refused("not_json")
        assert script.send(good.encode()) == refused("invalid_field")
        milliseconds: dict[str, Any] = {"status_change_timestamp": START * 1000}
        assert script.say("add", segment_id=8, **milliseconds, x=1) == refused("invalid_field")
        assert script.say("add", segment_id=8, **milliseconds) == refused("timestamp_in_future")
        assert script.say("add", segment_id=8, status_change_timestamp=1) == (
            refused("timestamp_too_old")
        )
        assert script.say("add", segment_id=8) == refused("unknown_segment")
        assert script.say("add", segment_id=9) == refused("segment_archived")

    def test_a_duplicate_is_told_before_an_archived_segment(self) -> None:
        script = Script()
        script.say("add", at=0, reference_id="r")
        script.model.segments["acme", 1] = True
        assert script.say("add", at=0, reference_id="r") == duplicate(0)
        assert script.say("block", at=0, reference_id="r") == CONFLICT
        assert script.say("block", at=1, reference_id="r") == refused("segment_archived")

    def test_an_expire_from_anybody_else_is_an_invalid_field(self) -> None:
        unsigned = (("segments-source", b"expiry"),)
        outcome = Script().say("expire", at=0, reference_id="expire:x", headers=unsigned)
        assert outcome == refused("invalid_field")

    @pytest.mark.parametrize("depth", [64, 65])
    def test_nested_deeper_than_64_is_not_json(self, depth: int) -> None:
        inside = "[" * (depth - 2) + "]" * (depth - 2)
        value = (
            '{"network_id":"acme","user":"a","segment_id":1,"user_status":"add",'
            f'"metadata":{{"x":{inside}}}}}'
        )
        expected = EVENT if depth == 64 else refused("not_json")
        assert Script().send(value.encode()) == expected

    @pytest.mark.parametrize(
        ("at", "outcome"), [(NOON + 301, EVENT), (NOON + 302, refused("timestamp_in_future"))]
    )
    def test_five_minutes_ahead_of_the_receipt_is_the_limit(
        self, at: int, outcome: Outcome
    ) -> None:
        assert Script().say("add", at=at) == outcome

    @pytest.mark.parametrize(
        ("fields", "right"),
        [
            ({"status": "add", "at": 0, "expires": 1}, True),
            ({"status": "add", "at": 0, "expires": 0}, False),
            ({"status": "block", "expires": NOON + 2}, True),
            ({"status": "block", "expires": NOON + 1}, False),
            ({"status": "reset", "at": 0, "expires": 1}, False),
            ({"status": "add", "expires_at": 4_102_444_800}, False),
            ({"status": "add", "expires_at": 4_102_444_799}, True),
        ],
    )
    def test_expires_at_is_after_the_commands_time_and_before_2100(
        self, fields: dict[str, Any], *, right: bool
    ) -> None:
        expected = EVENT if right else refused("invalid_field")
        assert Script().say(**fields) == expected


def test_what_a_topic_says_of_a_network_that_it_may_not_speak_for_is_nobodys() -> None:
    script = Script(networks={TOPIC: {"acme"}})
    assert script.say("add", at=0) == EVENT
    assert script.say("add", at=0, network_id="beta") == refused("not_allowed")
    (row,) = script.model.rejected()
    assert (row["network_id"], row["reason"]) == (None, "not_allowed")
    (result,) = [row for row in script.model.result() if row["outcome"] == "rejected"]
    assert (result["network_id"], result["user_id"], result["segment_id"]) == (None, None, 1)
