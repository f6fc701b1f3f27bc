"""What a report calls broken: also an attack that was turned away at the door and attacked nothing."""

from __future__ import annotations

from tests.siege.hostile.kinds import KINDS
from tests.siege.report import Report


def report(**tallies: dict[str, int]) -> Report:
    return Report(1, attackers_give_way=True, tallies={"alone": tallies})


def test_an_attack_that_is_answered_400_and_404_alone_is_a_fault() -> None:
    for name in ("as_of", "posts", "patches"):
        told = report(**{name: {"answered 400": 100, "answered 404": 1, "TimeoutError": 2}})
        assert told.broken() == [
            (
                f"{name} did not attack in any phase: it came to"
                " {'TimeoutError': 2, 'answered 400': 100, 'answered 404': 1}"
            )
        ]
        assert told.broken()[0] in told.text()


def test_an_attack_that_came_to_nothing_is_a_fault() -> None:
    assert report(bombs={}).broken() == ["bombs did not attack in any phase: it came to nothing"]


def test_an_attack_that_attacked_once_in_any_phase_is_none() -> None:
    told = report(as_of={"answered 503": 7})
    told.tallies["together"] = {"as_of": {"answered 200": 1, "answered 400": 9}}
    assert told.broken() == []


def test_every_attack_says_what_counts_and_nearly_none_that_a_malformed_request_does() -> None:
    assert all(attack.counts for attack in KINDS.values())
    malformed = {"answered 400", "answered 404"}
    # Bodies of white space are the attack.
    assert {name for name, attack in KINDS.items() if attack.counts & malformed} == {"large_bodies"}
