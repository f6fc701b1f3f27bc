"""How an imported file is to be read, as the form says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.http.kit.parameters import wrong

if TYPE_CHECKING:
    from segments.dashboard.visit import Visit

_MODES = ("merge", "replace")
_STATUSES = ("add", "block", "reset")


def read_options(visit: Visit) -> dict[str, Any]:
    """Read how a file is to be read. Raises: Problem 400."""
    mode = visit.field("mode")
    if mode not in _MODES:
        raise wrong("mode", "choose merge or replace")
    segment_id, defaults = read_defaults(visit)
    if mode == "replace" and segment_id is None:
        raise wrong("segment_id", "choose the segment whose overrides are replaced")
    return {
        "mode": mode,
        "segment_id": segment_id,
        "defaults": defaults,
        "columns": {},
        "is_planned": False,
    }


def read_defaults(visit: Visit) -> tuple[int | None, dict[str, Any]]:
    """Read the segment that was chosen, and the fields of lines that have none. Raises: Problem 400."""
    status, number = visit.field("user_status"), visit.field("segment_id")
    if status is not None and status not in _STATUSES:
        raise wrong("user_status", "choose add, block or reset")
    if number is not None and not (number.isascii() and number.isdigit() and len(number) < 11):  # noqa: PLR2004
        raise wrong("segment_id", "must be the id of a segment")
    segment_id = None if number is None else int(number)
    given = {"segment_id": segment_id, "user_status": status}
    return segment_id, {name: value for name, value in given.items() if value is not None}
