"""Duplicates and conflicts in the oracle: commands with a time, without one, and with an idempotency key."""

from typing import Any

import pytest

from tests.oracle import AUTO, Position, Record
from tests.oracle.script import NOON, START, TOPIC, Script, after
from tests.oracle.test_append import CONFLICT, EVENT, duplicate, refused


class TestIdentityWithATime:
    def test_the_same_reference_and_content_is_a_duplicate_in_any_spelling(self) -> None:
        script = Script()
        script.say("add", at=0, reference_id="r", metadata={"a": 1, "b": [1.0, {"c": None}]})
        value = (
            f'{{"metadata": {{"b":[1,{{"c":null}}], "a":10e-1}}, "reference_id":"r",'
            f' "user":"ann","segment_id":1,"user_status":"add","network_id":"acme",'
            f' "status_change_timestamp":{START} }}'
        )
        assert script.send(value.encode(), lane=3) == duplicate(0)

    @pytest.mark.parametrize(
        "other",
        [
            {"status": "block"},
            {"description": "d"},
            {"expires": 9},
            {"metadata": {"a": 2}},
            {"metadata": {"a": True}},
            {"metadata": {"a": "1"}},
            {"metadata": {}},
        ],
    )
    def test_the_same_reference_and_other_content_is_a_conflict(
        self, other: dict[str, Any]
    ) -> None:
        script = Script()
        script.say("add", at=0, reference_id="r", metadata={"a": 1})
        fields: dict[str, Any] = {"status": "add", "reference_id": "r", "metadata": {"a": 1}}
        assert script.say(**(fields | {"at": 0} | other)) == CONFLICT

    def test_numbers_count_by_exact_value(self) -> None:
        script = Script()
        script.say("add", at=0, reference_id="r", metadata={"n": 2**70})
        assert script.say("add", at=0, reference_id="r", metadata={"n": 2**70 + 1}) == CONFLICT

    @pytest.mark.parametrize(
        "other", [{"at": 1}, {"reference_id": "s"}, {"user": "bob"}, {"segment_id": 2}]
    )
    def test_another_time_reference_user_or_segment_is_another_command(
        self, other: dict[str, Any]
    ) -> None:
        script = Script()
        script.say("add", at=0, reference_id="r")
        fields: dict[str, Any] = {"status": "add", "at": 0, "reference_id": "r"}
        assert script.say(**(fields | other)) == EVENT

    def test_without_a_reference_the_content_stands_in(self) -> None:
        script = Script()
        assert script.say("add", at=0, metadata={"n": 1}) == EVENT
        assert script.say("add", at=0, metadata={"n": 2}) == EVENT
        assert script.say("add", at=0, metadata={"n": 1}) == duplicate(0)
        assert {row["reference_id"] for row in script.rows("event")} == {AUTO}


class TestIdentityWithoutATime:
    def test_every_receipt_is_a_new_command(self) -> None:
        script = Script()
        assert script.say("add", reference_id="r") == EVENT
        assert script.say("add", reference_id="r") == EVENT

    def test_it_is_never_the_command_that_gave_that_time(self) -> None:
        script = Script()
        script.say("add", at=NOON + 2, reference_id="r")
        assert script.say("block", reference_id="r") == EVENT

    def test_a_retry_has_the_time_and_the_place_of_its_first_receipt(self) -> None:
        origins: dict[bytes, Position] = {b"first": (TOPIC, 0, 0, 0), b"second": (TOPIC, 0, 0, 1)}

        def origin(record: Record) -> Position | None:
            return origins.get(record.header("segments-origin") or b"")

        script = Script(origin=origin)
        retry, again = (("segments-origin", b"first"),), (("segments-origin", b"second"),)
        assert script.say("add", segment_id=7) == refused("unknown_segment")
        assert script.say("add", segment_id=7, headers=retry) == refused("unknown_segment")
        script.model.segments["acme", 7] = False
        assert script.say("add", segment_id=7, headers=again) == EVENT
        assert script.say("add", segment_id=7, headers=retry) == duplicate(2)
        row = script.row("event")
        assert row["reference_id"] == f"auto:{TOPIC}-0-0"
        assert row["status_change_timestamp"] == after(NOON + 1)
        assert row["received_at"] == after(NOON + 3)
        assert script.say("block", segment_id=7, headers=retry) == EVENT  # other bytes


class TestIdempotencyKey:
    def test_the_same_key_names_the_same_command_whenever_it_is_received(self) -> None:
        script = Script()
        assert script.say("add", idempotency="k") == EVENT
        assert script.say("add", idempotency="k", lane=1) == duplicate(0)

    @pytest.mark.parametrize(
        "other",
        [
            {"status": "block"},
            {"segment_id": 2},
            {"user": "bob"},
            {"reference_id": "s"},
            {"reference_id": None},
            {"at": 1},
            {"at": None},
            {"description": "d"},
        ],
    )
    def test_all_that_was_given_is_content_then(self, other: dict[str, Any]) -> None:
        script = Script()
        fields: dict[str, Any] = {"status": "add", "at": 0, "reference_id": "r"}
        script.say(**fields, idempotency="k")
        assert script.say(**(fields | other), idempotency="k") == CONFLICT

    def test_the_user_is_compared_as_normalised(self) -> None:
        script = Script()
        script.say("add", idempotency="k", user="ann@x")
        assert script.say("add", idempotency="k", user=" ANN@x") == duplicate(0)

    def test_it_is_remembered_on_what_was_a_duplicate(self) -> None:
        script = Script()
        script.say("add", at=0, reference_id="r")
        assert script.say("add", at=0, reference_id="r", idempotency="k") == duplicate(0)
        assert script.say("add", at=1, reference_id="r", idempotency="k") == CONFLICT

    def test_it_is_not_remembered_on_what_was_refused(self) -> None:
        script = Script()
        assert script.say("add", segment_id=8, idempotency="k") == refused("unknown_segment")
        assert script.say("add", idempotency="k") == EVENT

    def test_it_holds_within_its_network(self) -> None:
        script = Script()
        script.say("add", idempotency="k")
        assert script.say("add", idempotency="k", network_id="beta") == EVENT

    def test_another_key_does_not_make_another_command_of_one_with_a_time(self) -> None:
        script = Script()
        script.say("add", at=0, reference_id="r", idempotency="k")
        assert script.say("add", at=0, reference_id="r", idempotency="j") == duplicate(0)

    @pytest.mark.parametrize("key", [b"", b"a\n", b"\xc3\xa9", b"x" * 256, None])
    def test_an_odd_one_is_an_invalid_field(self, key: bytes | None) -> None:
        headers = (("idempotency-key", key),)
        assert Script().say("add", headers=headers) == refused("invalid_field")
