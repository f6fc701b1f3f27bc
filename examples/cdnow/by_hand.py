"""The manual overrides of the shop's staff, as a table."""

import datetime as dt
from typing import NamedTuple

from examples.cdnow.vocabulary import (
    CHURNED,
    DEVELOPER,
    POWER_USER,
    REPEAT_BUYER,
    normalised,
    user_of,
)


class HandMade(NamedTuple):
    """An override, or its reset."""

    reference_id: str
    user: str
    """As sent, in any spelling."""
    segment_id: int
    user_status: str
    """`add`, `block` or `reset`."""
    at: int
    """When it was decided: Unix seconds, UTC."""
    description: str
    published_at: int
    """When it reached Kafka; later than `at` if it was entered late."""


def _at(day: str) -> int:
    """Return the Unix seconds of 19:30 UTC on an ISO day; the rules have no outcomes in the evening."""
    return int(dt.datetime.fromisoformat(f"{day}T19:30:00+00:00").timestamp())


def _hand(
    n: int, user: str, segment_id: int, user_status: str, day: str, why: str, *, sent: str = ""
) -> HandMade:
    return HandMade(
        f"cdnow:hand:{n}", user, segment_id, user_status, _at(day), why, _at(sent or day)
    )


PINNED = user_of("00214")
"""A power user by rule since 1997-04-07, pinned in June: the leave in August has no effect."""
BLOCKED = user_of("00344")
"""Blocked a week before the rule's enter of 1997-02-11; the block arrived eight weeks late."""
RETURNED = user_of("00111")
"""Blocked, so the enter of 1997-04-24 had no effect; reset, and a member by rule since 1997-12-06."""
UNPINNED = user_of("00609")
"""Pinned and reset: still a power user, although the rule's outcome of 1997-06-22 was leave."""

BY_HAND = [
    _hand(1, "Dev-Anna@Example.com ", DEVELOPER, "add", "1997-01-07", "Tests the checkout"),
    _hand(2, "dev-ben@example.com", DEVELOPER, "add", "1997-01-07", "Tests the checkout"),
    _hand(3, "dev-cleo@example.com", DEVELOPER, "add", "1997-02-03", "Tests the search"),
    _hand(4, user_of("00455"), DEVELOPER, "add", "1997-01-09", "Orders at 0.00: one of us"),
    _hand(5, BLOCKED.upper(), POWER_USER, "block", "1997-02-05", "Reseller", sent="1997-04-02"),
    _hand(6, user_of("00001"), CHURNED, "block", "1997-02-17", "At sea until 1999, by letter"),
    _hand(7, RETURNED, POWER_USER, "block", "1997-03-03", "Chargeback under inquiry"),
    _hand(8, UNPINNED, POWER_USER, "add", "1997-04-21", "Guest of the launch party"),
    _hand(9, user_of("00002"), REPEAT_BUYER, "add", "1997-05-12", "Bought again, by telephone"),
    _hand(10, PINNED, POWER_USER, "add", "1997-06-02", "Writes our reviews: keep"),
    _hand(11, "dev-ben@example.com", DEVELOPER, "block", "1997-09-01", "Left; do not add again"),
    _hand(12, "dev-cleo@example.com", DEVELOPER, "reset", "1997-10-06", "No need to pin"),
    _hand(13, RETURNED, POWER_USER, "reset", "1997-11-03", "Inquiry closed"),
    _hand(14, UNPINNED, POWER_USER, "reset", "1997-12-01", "The party is over"),
    _hand(15, "dev-dana@example.com", DEVELOPER, "add", "1998-07-15", "After the file's last day"),
]
"""In the order of their decision; no two of one key on one day."""


def of_key(user: str, segment_id: int, until: int) -> list[HandMade]:
    """List the overrides of one key up to a time (Unix seconds), earliest first."""
    mine = [h for h in BY_HAND if (normalised(h.user), h.segment_id) == (user, segment_id)]
    return sorted((h for h in mine if h.at <= until), key=lambda h: h.at)
