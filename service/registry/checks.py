"""The order of checks (docs/publishers/outcomes.md), composed once: for ingest, a dry run, a POST and `send`. Pure.

1. too_large, tombstone: before anything is read (`schemas.command.check_size`).
2. not_json, invalid_field: what can be told of the value by itself (`read_command`).
3. invalid_field of the headers, not_allowed, invalid_field of expires_at, timestamp_too_old, timestamp_in_future: here.
4. duplicate or conflict, unknown_segment, segment_archived: by the log and the registry (`service.log.deduplicate`).
5. unstorable: by Postgres (`service.log.insert`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.command import check_times, refusal_of
from schemas.command.refusal import Reason, Refusal
from schemas.command.rules import FUTURE_ALLOWED_MS, MIN_TIME
from schemas.headers import NO_HEADERS
from service.registry.topic_rules import check_allowed

if TYPE_CHECKING:
    from schemas.command import Command
    from schemas.headers import Headers
    from service.registry.topic_rules import Allowed

_MIN_MS: Final = MIN_TIME * 1000
# What the registry refuses: the arguments of a Refusal.
UNKNOWN_SEGMENT: Final = (Reason.UNKNOWN_SEGMENT, "no such segment in this network")
SEGMENT_ARCHIVED: Final = (Reason.SEGMENT_ARCHIVED, "the segment is archived")


def check_received(
    command: Command,
    received_ms: int,
    allowed: Allowed | None = None,
    headers: Headers = NO_HEADERS,
) -> int:
    """Check a command that was read, as it is received, as far as neither log nor registry are asked.

    received_ms: Unix milliseconds. allowed: what its topic may say; None: everything.
    Returns: its time, Unix seconds: of its receipt where it gives none. A retry that gives none may have the time of a
    first receipt: it is checked once that is known.
    Raises: Refusal, the first that fits, with all that the command says.
    """
    if headers.error is not None or allowed is not None:
        try:
            headers.check()
            if allowed is not None:
                check_allowed(allowed, command, headers)
        except Refusal as refusal:
            raise refusal_of(command, refusal) from None
    time = command.status_change_timestamp
    if time is None:
        time = received_ms // 1000
        if headers.origin is not None:
            return time
    # check_times would find nothing in others.
    if (
        command.expires_at is not None
        or not _MIN_MS <= time * 1000 <= received_ms + FUTURE_ALLOWED_MS
    ):
        check_times(command, time, received_ms)
    return time
