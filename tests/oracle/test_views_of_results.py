"""Results, states as of a time, and the log: their definitions, worked out by hand."""

import pytest

from tests.oracle import UNSPECIFIED
from tests.oracle.script import NOON, TOPIC, Script, after

DAY = 86_400


class TestResult:
    def test_it_has_all_columns(self) -> None:
        script = Script()
        script.say("add", at=0, reference_id="r")
        assert script.model.result() == [
            {
                "network_id": "acme",
                "reference_id": "r",
                "segment_id": 1,
                "user_id": "ann",
                "user_status": "add",
                "outcome": "applied",
                "reason": None,
                "changed_membership": True,
                "changed_override": True,
                "status_change_timestamp": after(0),
                "received_at": after(NOON + 1),
                "kafka_topic": TOPIC,
                "kafka_partition": 0,
                "kafka_epoch": 0,
                "kafka_offset": 0,
                "event_id": "id-0-0",
            }
        ]

    def test_superseded_is_what_a_later_override_had_overtaken_before_it_arrived(self) -> None:
        script = Script()
        script.say("block", at=10)
        script.say("add", at=5)
        script.say("enter", at=6)
        script.say("reset", at=7)
        script.say("leave", at=20)
        assert script.outcomes() == ["applied", *["superseded"] * 3, "ineffective"]

    @pytest.mark.parametrize("later", ["reset", "enter", "leave"])
    def test_only_an_add_or_block_supersedes(self, later: str) -> None:
        script = Script()
        script.say(later, at=10)
        script.say("block", at=5)
        assert script.outcomes()[1] == "applied"

    def test_what_came_later_in_both_orders_supersedes_nothing(self) -> None:
        script = Script()
        script.say("add", at=5)
        script.say("block", at=10)
        assert script.outcomes() == ["applied", "applied"]

    def test_an_expire_is_never_superseded(self) -> None:
        script = Script()
        script.say("add", at=0, expires=10)
        script.say("block", at=20)
        script.expire(at=10, names=0)
        assert script.outcomes() == ["applied", "applied", "applied"]

    def test_changed_tells_what_it_did_at_its_place_even_if_superseded(self) -> None:
        script = Script()
        script.say("block", at=10)
        script.say("add", at=5)
        row = script.rows("result")[0]
        assert row["outcome"] == "superseded"
        assert (row["changed_membership"], row["changed_override"]) == (True, True)

    def test_blocking_a_non_member_changes_the_override_alone(self) -> None:
        script = Script()
        script.say("block", at=0)
        row = script.row("result")
        assert row["outcome"] == "applied"
        assert (row["changed_membership"], row["changed_override"]) == (False, True)

    @pytest.mark.parametrize("status", ["reset", "leave"])
    def test_what_found_it_so_already_is_no_change(self, status: str) -> None:
        script = Script()
        script.say(status, at=0)
        assert script.outcomes() == ["no_change"]

    def test_a_duplicate_shows_its_own_place_and_receipt_and_all_else_of_the_event(self) -> None:
        script = Script()
        script.say("add", at=0, reference_id="r")
        script.say("add", at=0, reference_id="r", lane=3)
        event, repeat = script.model.result()
        assert repeat == event | {
            "outcome": "duplicate",
            "changed_membership": False,
            "changed_override": False,
            "kafka_partition": 3,
            "received_at": after(NOON + 2),
        }

    def test_a_rejected_record_shows_what_could_be_read_of_it(self) -> None:
        script = Script()
        script.say("add", at=0, segment_id=8, reference_id="r")
        script.send(b"{")
        script.say("added")
        read, unread, odd = script.model.result()
        assert read["reason"] == "unknown_segment"
        assert (read["segment_id"], read["user_id"], read["reference_id"]) == (8, "ann", "r")
        assert (read["changed_membership"], read["event_id"]) == (None, None)
        assert (unread["reason"], unread["network_id"]) == ("not_json", None)
        assert (odd["reason"], odd["network_id"]) == ("invalid_field", UNSPECIFIED)


class TestMembershipAsOf:
    def test_both_bounds_are_inclusive(self) -> None:
        script = Script()
        script.say("add", at=10)
        script.say("block", at=20)
        script.say("reset", at=15)
        asked = [
            (after(9), None),
            (after(10), None),
            (after(15), None),
            (None, None),
            (None, after(NOON)),
            (None, after(NOON + 1)),
            (after(15), after(NOON + 2)),
        ]
        assert [
            [(row["is_member"], row["override"]) for row in script.model.membership_as_of(*bounds)]
            for bounds in asked
        ] == [
            [],
            [(True, "add")],
            [(True, None)],
            [(False, "block")],
            [],
            [(True, "add")],
            [(True, "add")],
        ]


def test_the_log_is_told_too() -> None:
    script = Script()
    script.say("add", at=0, reference_id="r", expires=9)
    script.say("add", at=0, reference_id="r", expires=9)
    script.send(b"nonsense")
    (event,), (repeat,), (refused,) = (
        script.model.event(),
        script.model.duplicate(),
        script.model.rejected(),
    )
    assert (event["expires_at"], event["recorded_at"]) == (after(9), after(NOON + 1))
    assert (repeat["kafka_offset"], repeat["duplicate_of_event_id"]) == (1, "id-0-0")
    assert (refused["kafka_offset"], refused["payload"]) == (2, b"nonsense")
