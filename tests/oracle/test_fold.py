"""The rules of the fold, line by line, worked out by hand."""

import pytest

from tests.oracle import Model, Record
from tests.oracle.script import START, TOPIC, Script
from tests.oracle.words import at_millisecond

NOT_A_MEMBER, MEMBER = (False, None), (True, None)
ADDED, BLOCKED = (True, "add"), (False, "block")
REACH = {  # how to come to a state
    NOT_A_MEMBER: ["reset"],
    MEMBER: ["enter"],
    ADDED: ["add"],
    BLOCKED: ["block"],
}


@pytest.mark.parametrize(
    ("before", "status", "then"),
    [
        (NOT_A_MEMBER, "add", ADDED),
        (MEMBER, "add", ADDED),
        (ADDED, "add", ADDED),
        (BLOCKED, "add", ADDED),
        (NOT_A_MEMBER, "block", BLOCKED),
        (MEMBER, "block", BLOCKED),
        (ADDED, "block", BLOCKED),
        (BLOCKED, "block", BLOCKED),
        (NOT_A_MEMBER, "reset", NOT_A_MEMBER),
        (MEMBER, "reset", MEMBER),
        (ADDED, "reset", MEMBER),
        (BLOCKED, "reset", NOT_A_MEMBER),
        (NOT_A_MEMBER, "enter", MEMBER),
        (MEMBER, "enter", MEMBER),
        (ADDED, "enter", ADDED),
        (BLOCKED, "enter", BLOCKED),
        (NOT_A_MEMBER, "leave", NOT_A_MEMBER),
        (MEMBER, "leave", NOT_A_MEMBER),
        (ADDED, "leave", ADDED),
        (BLOCKED, "leave", BLOCKED),
    ],
)
def test_each_status_does_to_each_state_what_the_table_says(
    before: tuple[bool, str | None], status: str, then: tuple[bool, str | None]
) -> None:
    script = Script()
    for place, step in enumerate(REACH[before]):
        script.say(step, at=place)
    assert script.state() == before
    script.say(status, at=10)
    assert script.state() == then


def test_the_time_decides_and_not_the_arrival() -> None:
    script = Script()
    script.say("add", at=10)
    script.say("block", at=20)
    script.say("reset", at=15)  # late
    assert script.state() == BLOCKED


def test_within_one_second_the_receipt_decides() -> None:
    script = Script()
    script.say("block", at=10, lane=1)
    script.say("add", at=10, lane=0)
    assert script.state() == ADDED


@pytest.mark.parametrize("lanes", [(0, 1), (1, 0)])
def test_within_one_receipt_the_lane_decides_whoever_was_appended_first(
    lanes: tuple[int, int],
) -> None:
    statuses = {0: b"block", 1: b"add"}
    model = Model({("acme", 1): False})
    for lane in lanes:
        value = b'{"network_id":"acme","user":"ann","segment_id":1,"user_status":"%s",'
        value = value % statuses[lane] + b'"status_change_timestamp":%d}' % START
        model.append(Record(TOPIC, lane, 0, 0, START * 1000, value), at_millisecond(START * 1000))
    assert model.user_segment()[0]["override"] == "add"


def test_within_one_receipt_of_a_lane_the_offset_decides() -> None:
    script = Script()
    for status in (b"add", b"block"):
        value = b'{"network_id":"acme","user":"ann","segment_id":1,"user_status":"%s"}' % status
        script.send(value, step_ms=0)
    assert script.state() == BLOCKED


def test_offsets_are_numbers_and_not_text() -> None:
    script = Script()
    for number in range(11):
        value = b'{"network_id":"acme","user":"ann","segment_id":1,"user_status":"%s"}'
        script.send(value % (b"add" if number == 10 else b"block"), step_ms=0)
    assert script.state() == ADDED


def test_a_time_alone_lets_no_override_lapse() -> None:
    script = Script()
    script.say("add", at=0, expires=10)
    script.say("leave", at=20)
    assert script.state() == ADDED


@pytest.mark.parametrize(("status", "then"), [("add", MEMBER), ("block", NOT_A_MEMBER)])
def test_an_expire_ends_the_override_and_leaves_the_membership(
    status: str, then: tuple[bool, str | None]
) -> None:
    script = Script()
    script.say(status, at=0, expires=10)
    script.expire(at=10, names=0)
    assert script.state() == then
    assert script.outcomes() == ["applied", "applied"]


def test_an_expire_takes_its_place_by_its_time() -> None:
    script = Script()
    script.say("block", at=0, expires=10)
    script.say("enter", at=15)
    assert script.state() == BLOCKED
    script.expire(at=10, names=0)
    assert script.state() == MEMBER


@pytest.mark.parametrize("between", ["add", "block", "reset"])
def test_an_expire_does_nothing_once_the_override_was_stated_anew_or_ended(between: str) -> None:
    script = Script()
    script.say("add", at=0, expires=10)
    script.say(between, at=5)
    before = script.state()
    script.expire(at=10, names=0)
    assert script.state() == before
    assert script.outcomes()[-1] == "ineffective"


def test_an_expire_does_nothing_even_if_a_late_restatement_has_the_same_expires_at() -> None:
    script = Script()
    script.say("add", at=0, expires=10)
    script.expire(at=10, names=0)
    script.say("add", at=5, expires=10)  # late: now this is what was stated last
    assert script.state() == ADDED
    script.expire(at=10, names=2)
    assert script.state() == MEMBER


def test_an_override_set_again_after_a_reset_is_not_the_one_that_an_old_expire_names() -> None:
    script = Script()
    script.say("add", at=0, expires=10)
    script.say("reset", at=3)
    script.say("add", at=6, expires=20)
    script.expire(at=10, names=0)
    assert script.state() == ADDED


def test_automation_after_a_statement_does_not_keep_it_from_lapsing() -> None:
    script = Script()
    script.say("add", at=0, expires=10)
    script.say("leave", at=5)
    script.expire(at=10, names=0)
    assert script.state() == MEMBER


def test_an_expire_is_accepted_for_an_archived_segment() -> None:
    script = Script()
    script.say("add", at=0, expires=10)
    script.model.segments["acme", 1] = True
    assert script.say("reset", at=1).reason == "segment_archived"
    assert script.expire(at=10, names=0).kind == "event"
    assert script.state() == MEMBER


def test_a_restatement_changes_all_but_since() -> None:
    script = Script()
    script.say("add", at=0, expires=100, reference_id="one", description="a", metadata={"n": 1})
    script.say("add", at=5, expires=200, reference_id="two", description="b", metadata={"n": 2})
    row = script.row("override")
    assert row["since"].timestamp() == START
    assert row["expires_at"].timestamp() == START + 200
    assert (row["reference_id"], row["description"]) == ("two", "b")
    assert row["metadata"] == {"n": 2}
    assert script.outcomes() == ["applied", "applied"]


def test_a_restatement_with_the_same_expires_at_is_no_change_and_still_the_last_statement() -> None:
    script = Script()
    script.say("block", at=0, expires=100, reference_id="one")
    script.say("block", at=5, expires=100, reference_id="two")
    assert script.outcomes() == ["applied", "no_change"]
    assert script.row("override")["reference_id"] == "two"


def test_a_restatement_without_expires_at_takes_it_away() -> None:
    script = Script()
    script.say("add", at=0, expires=100)
    script.say("add", at=5)
    assert script.row("override")["expires_at"] is None
    assert script.outcomes() == ["applied", "applied"]


def test_automation_under_an_override_stays_ineffective_after_a_reset() -> None:
    script = Script()
    script.say("block", at=0)
    script.say("enter", at=5)
    script.say("reset", at=10)
    assert script.state() == NOT_A_MEMBER
    assert script.outcomes() == ["applied", "ineffective", "applied"]
    script.say("enter", at=15)
    assert script.state() == MEMBER


def test_automation_says_is_kept_whatever_the_override() -> None:
    script = Script()
    script.say("enter", at=0)
    script.say("block", at=5)
    script.say("leave", at=10)
    script.say("enter", at=15)
    assert script.row("user_segment")["automation_says"] == "enter"


def test_adding_a_member_pins_them_and_lifting_the_pin_leaves_them_a_member() -> None:
    script = Script()
    script.say("enter", at=0)
    script.say("add", at=5)
    script.say("leave", at=10)
    assert script.state() == ADDED
    script.say("reset", at=15)
    assert script.state() == MEMBER


def test_a_late_reset_lets_the_automation_after_it_through() -> None:
    script = Script()
    script.say("block", at=0)
    script.say("enter", at=10)
    script.say("reset", at=5)
    assert script.state() == MEMBER
    assert script.outcomes() == ["applied", "applied", "applied"]


def test_each_segment_network_and_user_is_a_key_of_its_own() -> None:
    script = Script()
    script.say("add", at=0)
    script.say("block", at=0, segment_id=2)
    script.say("block", at=0, network_id="beta")
    script.say("block", at=0, user="Ann")
    assert [
        (row["network_id"], row["segment_id"], row["user_id"], row["override"])
        for row in script.model.user_segment()
    ] == [
        ("acme", 1, "Ann", "block"),
        ("acme", 1, "ann", "add"),
        ("acme", 2, "ann", "block"),
        ("beta", 1, "ann", "block"),
    ]
