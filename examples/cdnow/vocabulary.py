"""The network, segments, thresholds and user names of the shop."""

import datetime as dt

NETWORK = "cdnow"

REPEAT_BUYER, POWER_USER, CHURNED, DEVELOPER = 1, 2, 3, 4

POWER_VISITS = 5
"""A power user visited on this many days …"""
POWER_WINDOW_DAYS = 180
"""… of this many consecutive days, the current one included …"""
POWER_QUIET_DAYS = 90
"""… and is no power user any more this many days after the last visit."""
CHURN_QUIET_DAYS = 60
"""Days after the last visit at which a customer counts as churned."""

SEGMENTS = [
    (REPEAT_BUYER, "Repeat buyer", "Bought on a second day; permanent"),
    (
        POWER_USER,
        "Power user",
        f"Bought on {POWER_VISITS} of {POWER_WINDOW_DAYS} days; until quiet for {POWER_QUIET_DAYS}",
    ),
    (CHURNED, "Churned", f"Quiet for {CHURN_QUIET_DAYS} days; until the next purchase"),
    (
        DEVELOPER,
        "Developer Test Account",
        "Maintained by hand, without a rule; exclude from reports",
    ),
]
"""(segment_id, segment_name, description) of each segment, to be created before publishing."""

LAST_DAY = dt.date(1998, 6, 30)
"""The last day of the file, and of outcomes."""


def user_of(customer: str) -> str:
    """Return a customer's user: two of three by email, the third by a plain user id."""
    return f"customer-{customer}@example.com" if int(customer) % 3 else f"C-{customer}"


def normalised(user: str) -> str:
    """Normalise a user as Segments does, written independently, because an upstream shares no code with it.

    An identifier with `@` is an email: ASCII white space is trimmed, A-Z become a-z. Any other stays unchanged.
    """
    if "@" not in user:
        return user
    return "".join(c.lower() if c.isascii() else c for c in user.strip(" \t\n\r\v\f"))


def moment(customer: str, day: dt.date) -> int:
    """Return the Unix seconds (UTC) of a customer's outcomes on a day, between 08:00 and 18:00.

    The file has only the day, so each customer has a fixed time of day.
    """
    midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
    return int(midnight.timestamp()) + 8 * 3600 + int(customer) * 7919 % 36_000
