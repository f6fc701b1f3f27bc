"""Refusals: the reason, the wrong fields, and the fields that could be read."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_NAMED_IN_DETAIL = 5
_DETAIL_LENGTH = 1000
_OLDEST_SHOWN = -62_135_596_800  # 0001-01-01, in Unix seconds
_NEWEST_SHOWN = 253_402_300_799  # 9999-12-31 23:59:59


class Reason(StrEnum):
    """The reasons, in the order in which they are checked (docs/publishers/outcomes.md)."""

    TOO_LARGE = "too_large"
    TOMBSTONE = "tombstone"
    NOT_JSON = "not_json"
    INVALID_FIELD = "invalid_field"
    NOT_ALLOWED = "not_allowed"
    TIMESTAMP_TOO_OLD = "timestamp_too_old"
    TIMESTAMP_IN_FUTURE = "timestamp_in_future"
    CONFLICT = "conflict"
    UNKNOWN_SEGMENT = "unknown_segment"
    SEGMENT_ARCHIVED = "segment_archived"
    UNSTORABLE = "unstorable"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field.

    `pointer` is a JSON pointer into the command (RFC 6901, "" is the command itself). `message` states what the
    field must be, and never quotes its value.
    """

    pointer: str
    message: str

    def __str__(self) -> str:
        """As `shown`, for a single command."""
        return self.shown("the command", "")

    def shown(self, whole: str, under: str) -> str:
        """`pointer: message`; unusual names are replaced by `…`, because they may be personal data.

        whole, under: as in `describe`.
        """
        if self.pointer == "":
            place = under or whole
            return f"{place}: {self.message}" if place else self.message
        names = self.pointer.split("/")[1:]
        shown = (name if _PLAIN_NAME.fullmatch(name) else "…" for name in names)
        return f"{under}/{'/'.join(shown)}: {self.message}"


# A usual field name, or an index of an array.
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}|[0-9]{1,5}")


class Refusal(Exception):  # noqa: N818 - the term of the contract, and not an error of the program
    """A record that is not accepted.

    `detail` states what is wrong and where, with a guess at the cause. It quotes no values and only usual names
    (`FieldError`), and can be stored as Postgres text. `errors` lists each wrong field.
    The other attributes are the fields that could be read, each None unless valid by itself: `user` normalised,
    `segment_id` 1 … 2³¹-1, `status_change_timestamp` in Unix seconds and within the years 1 … 9999. `named` is
    (network_id, user) of a record on a topic without a right to that network; network_id and user are None then.
    """

    named: tuple[str, str | None] | None = None

    def __init__(
        self,
        reason: Reason,
        detail: str,
        errors: Sequence[FieldError] = (),
        *,
        network_id: str | None = None,
        user: str | None = None,
        reference_id: str | None = None,
        segment_id: int | None = None,
        user_status: str | None = None,
        status_change_timestamp: int | None = None,
    ) -> None:
        """The arguments are the attributes of the class."""
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.errors = tuple(errors)
        self.network_id = network_id
        self.user = user
        self.reference_id = reference_id
        self.segment_id = segment_id
        self.user_status = user_status
        self.status_change_timestamp = (
            status_change_timestamp
            if status_change_timestamp is not None
            and _OLDEST_SHOWN <= status_change_timestamp <= _NEWEST_SHOWN
            else None
        )

    def __str__(self) -> str:
        """`reason: detail`."""
        return f"{self.reason}: {self.detail}"


def describe(errors: Sequence[FieldError], *, whole: str = "the command", under: str = "") -> str:
    """Format wrong fields on one line: the first five, and the number of the others.

    whole: the name for pointer ""; empty if the message contains it. under: the pointer of the batch item that the
    fields belong to.
    """
    named = "; ".join(error.shown(whole, under) for error in errors[:_NAMED_IN_DETAIL])
    more = len(errors) - _NAMED_IN_DETAIL
    return (named if more <= 0 else f"{named}; and {more} more")[:_DETAIL_LENGTH]
