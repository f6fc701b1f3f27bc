"""The definitions below the views in section 6 of DESIGN.md, worked out by hand."""

from datetime import date

import pytest

from tests.oracle import UNSPECIFIED
from tests.oracle.script import NOON, TOPIC, Script, after

DAY = 86_400


class TestUserSegment:
    def test_a_key_that_is_no_member_and_has_no_override_stays(self) -> None:
        script = Script()
        script.say("add", at=0)
        script.say("block", at=10)
        script.say("reset", at=20)
        script.say("leave", at=30)
        assert script.rows("user_segment") == [
            {
                "network_id": "acme",
                "segment_id": 1,
                "user_id": "ann",
                "is_member": False,
                "override": None,
                "automation_says": "leave",
                "member_since": None,
                "override_since": None,
                "last_change_at": after(20),
                "last_recorded_at": after(NOON + 4),
            }
        ]

    def test_member_since_is_when_the_present_membership_began(self) -> None:
        script = Script()
        script.say("enter", at=0)
        script.say("add", at=10)
        assert script.row("user_segment")["member_since"] == after(0)
        script.say("block", at=20)
        assert script.row("user_segment")["member_since"] is None
        script.say("add", at=30)
        assert script.row("user_segment")["member_since"] == after(30)

    def test_override_since_is_when_the_present_value_began(self) -> None:
        script = Script()
        script.say("add", at=0)
        script.say("add", at=10, expires=500)
        assert script.row("user_segment")["override_since"] == after(0)
        script.say("block", at=20)
        assert script.row("user_segment")["override_since"] == after(20)
        script.say("reset", at=30)
        script.say("block", at=40)
        assert script.row("user_segment")["override_since"] == after(40)

    def test_last_change_at_is_the_last_that_changed_something(self) -> None:
        script = Script()
        script.say("leave", at=0)
        assert script.row("user_segment")["last_change_at"] is None
        script.say("add", at=10)
        script.say("add", at=20)
        script.say("enter", at=30)
        assert script.row("user_segment")["last_change_at"] == after(10)
        script.say("add", at=40, expires=500)
        assert script.row("user_segment")["last_change_at"] == after(40)
        script.say("add", at=50, expires=500)
        assert script.row("user_segment")["last_change_at"] == after(40)

    def test_last_recorded_at_is_the_newest_of_the_keys_events_and_of_no_other_record(self) -> None:
        script = Script()
        script.say("add", at=100, reference_id="r")
        script.say("leave", at=0)  # late and without effect
        script.say("add", at=100, reference_id="r")  # a duplicate
        assert script.row("user_segment")["last_recorded_at"] == after(NOON + 2)

    def test_a_refused_command_makes_no_key(self) -> None:
        script = Script()
        script.say("add", segment_id=9)
        assert script.model.user_segment() == []


def test_membership_tells_of_the_event_that_began_it_also_when_an_add_pinned_it_later() -> None:
    script = Script()
    script.say("enter", at=0, reference_id="rule", description="why", metadata={"n": 1})
    script.say("add", at=10, reference_id="pin", expires=500)
    assert script.rows("membership") == [
        {
            "network_id": "acme",
            "segment_id": 1,
            "user_id": "ann",
            "since": after(0),
            "cause": "enter",
            "override": "add",
            "reference_id": "rule",
            "description": "why",
            "metadata": {"n": 1},
            "last_recorded_at": after(NOON + 2),
        }
    ]
    script.say("block", at=20)
    assert script.rows("membership") == []


def test_override_tells_of_the_last_statement_and_since_of_the_first() -> None:
    script = Script()
    script.say("block", at=0, reference_id="one")
    script.say("block", at=10, reference_id="two", expires=500, metadata={"n": 1})
    assert script.rows("override") == [
        {
            "network_id": "acme",
            "segment_id": 1,
            "user_id": "ann",
            "override": "block",
            "is_member": False,
            "since": after(0),
            "expires_at": after(500),
            "reference_id": "two",
            "description": None,
            "metadata": {"n": 1},
            "last_recorded_at": after(NOON + 2),
        }
    ]
    script.expire(at=500, names=1)
    assert script.rows("override") == []


class TestAutomationDisagreement:
    def test_automation_overruled_and_let_go_disagrees(self) -> None:
        script = Script()
        script.say("block", at=0)
        script.say("enter", at=10)
        assert script.rows("automation_disagreement") == []  # an override stands
        script.say("reset", at=20)
        assert script.rows("automation_disagreement") == [
            {
                "network_id": "acme",
                "segment_id": 1,
                "user_id": "ann",
                "is_member": False,
                "automation_says": "enter",
            }
        ]
        script.say("leave", at=30)
        assert script.rows("automation_disagreement") == []

    def test_a_pin_lifted_after_a_leave_disagrees(self) -> None:
        script = Script()
        script.say("add", at=0)
        script.say("leave", at=10)
        script.say("reset", at=20)
        assert script.row("automation_disagreement")["is_member"]

    def test_automation_that_never_spoke_never_disagrees(self) -> None:
        script = Script()
        script.say("add", at=0)
        script.say("reset", at=10)
        assert script.rows("automation_disagreement") == []


class TestMembershipHistory:
    def test_it_has_a_row_for_each_change(self) -> None:
        script = Script()
        script.say("leave", at=0)  # changes neither: no row
        script.say("enter", at=10, reference_id="rule")
        script.say("enter", at=20)
        script.say("add", at=30)
        script.say("add", at=40, expires=500)  # the expires_at alone: no row
        script.say("reset", at=50)
        assert [
            (row["event_id"], row["valid_from"], row["valid_to"], row["is_current"])
            for row in script.rows("membership_history")
        ] == [
            ("id-0-1", after(10), after(30), False),
            ("id-0-3", after(30), after(50), False),
            ("id-0-5", after(50), None, True),
        ]
        first = script.rows("membership_history")[0]
        assert (first["is_member"], first["override"], first["cause"]) == (True, None, "enter")
        assert first["reference_id"] == "rule"
        assert first["position"] == (TOPIC, 0, 0, 1)
        assert first["last_recorded_at"] == after(NOON + 6)

    def test_two_changes_in_one_second_leave_an_empty_interval(self) -> None:
        script = Script()
        script.say("add", at=10)
        script.say("block", at=10)
        assert [
            (row["valid_from"], row["valid_to"], row["override"])
            for row in script.rows("membership_history")
        ] == [(after(10), after(10), "add"), (after(10), None, "block")]

    def test_a_late_event_may_take_a_change_away(self) -> None:
        script = Script()
        script.say("add", at=10)
        script.say("add", at=0)
        assert [row["event_id"] for row in script.rows("membership_history")] == ["id-0-1"]


def test_segment_size_counts_members_and_overrides_and_knows_empty_segments() -> None:
    script = Script()
    script.say("add", at=0, user="a")
    script.say("enter", at=0, user="b")
    script.say("block", at=0, user="c")
    script.say("leave", at=0, user="d")
    counts = {
        (row["network_id"], row["segment_id"]): (row["members"], row["added"], row["blocked"])
        for row in script.model.segment_size()
    }
    assert counts == {
        ("acme", 1): (2, 1, 1),
        ("acme", 2): (0, 0, 0),
        ("acme", 9): (0, 0, 0),  # archived
        ("beta", 1): (0, 0, 0),
    }


class TestSegmentSizeDaily:
    def test_it_counts_flips_by_their_day(self) -> None:
        script = Script()
        script.say("enter", at=-3 * DAY, user="a")
        script.say("enter", at=-3 * DAY, user="b")
        script.say("leave", at=-2 * DAY, user="c")  # no flip: no row
        script.say("block", at=-1, user="a")
        script.say("enter", at=0, user="d")
        assert [
            (row["day"], row["members"], row["members_joined"], row["members_left"])
            for row in script.model.segment_size_daily()
        ] == [
            (date(2023, 12, 29), 2, 2, 0),
            (date(2023, 12, 31), 1, 0, 1),
            (date(2024, 1, 1), 2, 1, 0),
        ]

    def test_a_day_whose_flips_cancelled_out_counts_them_still(self) -> None:
        script = Script()
        script.say("enter", at=0)
        script.say("leave", at=10)
        (row,) = script.model.segment_size_daily()
        assert (row["members"], row["members_joined"], row["members_left"]) == (0, 1, 1)

    def test_restated_at_is_the_newest_recorded_at_among_that_days_events(self) -> None:
        script = Script()
        script.say("enter", at=0)
        script.say("enter", at=-DAY, user="b")
        script.say("leave", at=10, user="c")  # no flip, yet an event of the first's day
        script.say("leave", at=10, user="c", segment_id=2)
        assert [row["restated_at"] for row in script.model.segment_size_daily()] == [
            after(NOON + 2),
            after(NOON + 3),
        ]


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
