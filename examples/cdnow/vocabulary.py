"""The words of this shop: its network, its segments, what is quiet, what a customer is called."""

import datetime as dt

NETWORK = "cdnow"

REPEAT_BUYER, POWER_USER, CHURNED, DEVELOPER = 1, 2, 3, 4

POWER_VISITS = 5
"""A power user visited on so many days …"""
POWER_WINDOW_DAYS = 180
"""… among so many days in a row, the present one included …"""
POWER_QUIET_DAYS = 90
"""… and ceases to be one so many days after the last visit."""
CHURN_QUIET_DAYS = 60
"""Days after the last visit at which a customer counts as churned."""

SEGMENTS = [
    (REPEAT_BUYER, "Repeat buyer", "Bought on a second day; for good"),
    (
        POWER_USER,
        "Power user",
        f"Bought on {POWER_VISITS} of {POWER_WINDOW_DAYS} days; until quiet for {POWER_QUIET_DAYS}",
    ),
    (CHURNED, "Churned", f"Quiet for {CHURN_QUIET_DAYS} days; until the next purchase"),
    (
        DEVELOPER,
        "Developer Test Account",
        "ReconnectingClient by hand, no rule; leave out of reports",
    ),
]
"""(segment_id, segment_name, description) of each segment, to be created before publishing."""

LAST_DAY = dt.date(1998, 6, 30)
"""The last day the file covers: on it the rules speak for the last time."""


def user_of(customer: str) -> str:
    """Name a customer as the shop does: two of three by email, the third by a plain user id."""
    return f"customer-{customer}@example.com" if int(customer) % 3 else f"C-{customer}"


def normalised(user: str) -> str:
    """Spell a user as Segments stores them, written anew here: an upstream shares no code with it.

    One with `@` is an email, trimmed of ASCII white space, A to Z made small; any other stands.
    """
    if "@" not in user:
        return user
    return "".join(c.lower() if c.isascii() else c for c in user.strip(" \t\n\r\v\f"))


def moment(customer: str, day: dt.date) -> int:
    """Unix seconds (UTC) at which the rules speak of a customer that day, from 08:00 to 18:00.

    The file knows the day only, so each customer has an hour of their own, the same every day.
    """
    midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
    return int(midnight.timestamp()) + 8 * 3600 + int(customer) * 7919 % 36_000
