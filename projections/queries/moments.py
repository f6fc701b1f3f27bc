"""Times as people write them, in queries over HTTP and on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNIX = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
# RFC 3339; an unescaped + of an offset arrives as a space.
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)([Zz]|[ +-][0-9]{2}:[0-9]{2})"
)


def read_moment(text: object) -> datetime:
    """Parse a time: RFC 3339 with an offset, or Unix seconds. Raises: ValueError."""
    if not isinstance(text, str):
        raise ValueError("must be a time")  # noqa: TRY004 - pydantic expects ValueError
    try:
        if _UNIX.fullmatch(text):
            seconds, _, fraction = text.partition(".")
            micros = int(fraction.ljust(6, "0")) if fraction else 0
            sign = -1 if text.startswith("-") else 1
            return EPOCH + timedelta(seconds=int(seconds), microseconds=sign * micros)
        match = _TIME.fullmatch(text)
        if match:
            offset = match[2].upper().replace(" ", "+")
            return datetime.fromisoformat(match[1].upper() + offset).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("must be a time such as 2026-01-31T12:00:00Z, or Unix seconds")
