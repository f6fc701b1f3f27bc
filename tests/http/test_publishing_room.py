"""What the API takes to be published: whole requests, bounded in bytes, with room for every network."""

from __future__ import annotations

import pytest

from service.http.kit.problems import Problem
from service.http.publishing.room import LEAST_BYTES, Room

MIB = 2**20


def takes(room: Room, network_id: str, cost: int) -> bool:
    refused: Problem | None = None
    try:
        room.take(network_id, cost)
    except Problem as problem:
        refused = problem
    if refused is None:
        return True
    assert (refused.status, refused.published) == (503, "no")
    assert int(refused.headers["Retry-After"]) >= 1
    return False


def test_a_network_gets_half_at_most_and_the_next_one_what_is_left() -> None:
    room = Room(10 * MIB)
    assert [takes(room, "n", MIB) for _ in range(6)] == [True] * 5 + [False]
    assert [takes(room, "m", MIB) for _ in range(4)] == [True] * 3 + [False]
    assert takes(room, "l", 2 * MIB)
    assert not takes(room, "k", 1)
    room.give_back("n", 5 * MIB)
    assert takes(room, "k", 5 * MIB)


def test_a_request_is_taken_whole_or_not_at_all_and_where_nothing_waits_always() -> None:
    room = Room(MIB)
    assert takes(room, "n", 5 * MIB)
    assert not takes(room, "n", 1)
    assert not takes(room, "m", 1)
    room.give_back("n", 5 * MIB)
    assert takes(room, "m", 5 * MIB)


@pytest.mark.parametrize(
    ("sent", "most"), [(40 * MIB, 64 * MIB), (10 * MIB, 20 * MIB), (0, LEAST_BYTES)]
)
def test_what_is_taken_is_what_is_measured_to_go_out_in_time(sent: int, most: int) -> None:
    """In two seconds, that is."""
    room = Room(64 * MIB)
    room.take("n", 64 * MIB)
    room.measure(1.0)
    room.give_back("n", sent, sent=True)
    room.measure(1.0)
    room.give_back("n", 64 * MIB - sent)
    room.take("n", 1)
    assert not takes(room, "n", most - 1)
    assert takes(room, "n", most - 2)


def test_a_slow_trickle_says_nothing_of_what_the_producer_can_do() -> None:
    room = Room(64 * MIB)
    for _ in range(10):
        room.take("n", 1000)
        room.measure(0.1)
        room.give_back("n", 1000, sent=True)
    room.take("n", 1)
    assert takes(room, "n", 60 * MIB)
