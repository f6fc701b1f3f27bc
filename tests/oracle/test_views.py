"""The definitions of the views, worked out by hand."""

from datetime import date

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
            "event_id": "id-0-0",
            "source": "kafka",
            "actor": None,
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
            "event_id": "id-0-1",
            "source": "kafka",
            "actor": None,
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
