"""Why a record is refused: the reason, what is wrong where, and what of it could still be read."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_NAMED_IN_DETAIL = 5
_DETAIL_LENGTH = 1000
_OLDEST_SHOWN = -62_135_596_800  # 0001-01-01, in Unix seconds
_NEWEST_SHOWN = 253_402_300_799  # 9999-12-31 23:59:59


class Reason(StrEnum):
    """The reasons of the contract, section 2, in the order in which they are checked."""

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

    `pointer` is a JSON pointer into the command (RFC 6901, "" is the command itself); `message`
    says what the field must be, and never quotes what it held.
    """

    pointer: str
    message: str

    def __str__(self) -> str:
        """As `shown`, of a command alone."""
        return self.shown("the command", "")

    def shown(self, whole: str, under: str) -> str:
        """`pointer: message`, with `…` for names that are no plain ones: they may be personal.

        whole, under: as `describe` has them.
        """
        if self.pointer == "":
            place = under or whole
            return f"{place}: {self.message}" if place else self.message
        names = self.pointer.split("/")[1:]
        shown = (name if _PLAIN_NAME.fullmatch(name) else "…" for name in names)
        return f"{under}/{'/'.join(shown)}: {self.message}"


# As fields are called, or a place in an array.
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}|[0-9]{1,5}")


class Refusal(Exception):  # noqa: N818 - a refusal is the word of the contract, and no fault of ours
    """A record that is not accepted.

    `detail` says what is wrong, where, and what may have caused it; it quotes no value,
    of names plain ones alone (`FieldError`), and can be stored as Postgres text. `errors` names
    each wrong field.
    The rest is what could be read of the record, each None unless it is valid by itself:
    `user` normalised, `segment_id` 1 … 2³¹-1, `status_change_timestamp` in Unix seconds and
    within the years 1 … 9999. `named` is (network_id, user) where the record may not speak for
    that network: both of these are None then.
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
        """Refuse; the class says what each means."""
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
    """One line for a list of wrong fields: the first five, and how many more there are.

    whole: what pointer "" is; empty where the message says it. under: the pointer of the item of a batch that they
    are in.
    """
    named = "; ".join(error.shown(whole, under) for error in errors[:_NAMED_IN_DETAIL])
    more = len(errors) - _NAMED_IN_DETAIL
    return (named if more <= 0 else f"{named}; and {more} more")[:_DETAIL_LENGTH]
