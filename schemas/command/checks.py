"""Checks around parsing: the record's size before, the command's times after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.command.refusal import FieldError, Reason, Refusal, describe
from schemas.command.rules import FUTURE_ALLOWED_MS, MAX_RECORD_BYTES, MIN_TIME

if TYPE_CHECKING:
    from schemas.command import Command


def check_size(key: bytes | None, value: bytes | None) -> None:
    """Check that key and value together are at most 64 KiB. Raises Refusal(too_large)."""
    size = (0 if key is None else len(key)) + (0 if value is None else len(value))
    if size > MAX_RECORD_BYTES:
        raise Refusal(
            Reason.TOO_LARGE,
            f"key and value are {size} bytes together; the limit is {MAX_RECORD_BYTES}",
        )


def check_time(command_time: int, received_at_ms: int) -> None:
    """Check that a command's time is between 1990 and its receipt plus 5 minutes.

    command_time: Unix seconds. received_at_ms: Unix milliseconds.
    Raises Refusal(timestamp_too_old) or Refusal(timestamp_in_future).
    """
    if command_time < MIN_TIME:
        message = "must not be before 1990-01-01T00:00:00Z, in Unix seconds"
        raise _at_time(Reason.TIMESTAMP_TOO_OLD, message)
    if command_time * 1000 > received_at_ms + FUTURE_ALLOWED_MS:
        raise _at_time(Reason.TIMESTAMP_IN_FUTURE, _future(command_time, received_at_ms))


def _at_time(reason: Reason, message: str) -> Refusal:
    error = FieldError("/status_change_timestamp", message)
    return Refusal(reason, describe([error]), [error])


def _future(command_time: int, received_at_ms: int) -> str:
    message = "must not be later than 5 minutes after the receipt"
    for factor, unit in ((10**3, "milliseconds"), (10**6, "microseconds"), (10**9, "nanoseconds")):
        if MIN_TIME <= command_time // factor <= (received_at_ms + FUTURE_ALLOWED_MS) // 1000:
            return f"{message}; it looks like {unit}, and must be Unix seconds"
    return message


def check_times(command: Command, effective_time: int, received_at_ms: int) -> None:
    """Check a command's times at its receipt.

    effective_time: its status_change_timestamp, or if absent the receipt truncated to the second, in
    Unix seconds. received_at_ms: Unix milliseconds.

    Raises Refusal: invalid_field (expires_at is not after the time), timestamp_too_old or
    timestamp_in_future, in that order, with all fields of the command.
    """
    expires_at = command.expires_at
    if expires_at is not None and expires_at <= effective_time:
        error = FieldError("/expires_at", "must be after the command's time")
        refusal = Refusal(Reason.INVALID_FIELD, describe([error]), [error])
        raise refusal_of(command, refusal)
    if not MIN_TIME * 1000 <= effective_time * 1000 <= received_at_ms + FUTURE_ALLOWED_MS:
        try:
            check_time(effective_time, received_at_ms)
        except Refusal as refusal:
            raise refusal_of(command, refusal) from None


def refusal_of(command: Command, refusal: Refusal) -> Refusal:
    """Return the refusal with the fields of the command added."""
    return Refusal(
        refusal.reason,
        refusal.detail,
        refusal.errors,
        network_id=command.network_id,
        user=command.user,
        reference_id=command.reference_id,
        segment_id=command.segment_id,
        user_status=command.user_status.text,
        status_change_timestamp=command.status_change_timestamp,
    )
