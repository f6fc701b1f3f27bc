"""What a request wants besides its commands: headers and parameters of the two calls that publish."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from service.http.kit.parameters import wrong

if TYPE_CHECKING:
    from service.http.kit.raw_request import Call

MAX_WAIT_SECONDS = 30
_LINES = ("application/x-ndjson", "application/jsonl")
_PREFER_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})\"?", re.IGNORECASE)
_IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def idempotency_key(call: Call) -> str | None:
    """Read `Idempotency-Key`. Raises: Problem 400."""
    key = call.header(b"idempotency-key")
    if call.is_repeated(b"idempotency-key"):
        raise wrong("", "header Idempotency-Key was sent more than once")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise wrong("", "header Idempotency-Key must be 1 to 255 printable ASCII")
    return key


def item_keys(key: str | None, count: int) -> list[str | None]:
    """Give the idempotency keys of a batch's items. Raises: Problem 400 when the last would be too long."""
    if key is None:
        return [None] * count
    keys = [f"{key}:{number}" for number in range(count)]
    if not _IDEMPOTENCY_KEY.fullmatch(keys[-1]):
        room = 255 - len(keys[-1]) + len(key)
        raise wrong("", f"header Idempotency-Key must be 1 to {room} characters for so many items")
    return list(keys)


def is_lines(call: Call) -> bool:
    """Tell whether a batch comes as NDJSON."""
    return (call.header(b"content-type") or "").partition(";")[0].strip().lower() in _LINES


def traceparent(call: Call) -> str | None:
    """Give our own span's, else the caller's as it was sent."""
    sent = call.traceparent or call.header(b"traceparent")
    return sent if sent is not None and _TRACEPARENT.fullmatch(sent) else None


def is_dry_run(call: Call) -> bool:
    """Read `?dry_run=`, the one parameter there is. Raises: Problem 400: a misspelt one must not publish."""
    query = call.query()
    said = query.pop("dry_run", ["false"])
    if said not in (["true"], ["false"]):
        raise wrong("dry_run", "must be true or false, once")
    _refuse(query)
    return said == ["true"]


def check_batch_query(call: Call) -> None:
    """Check that a batch is sent without parameters. Raises: Problem 400."""
    query = call.query()
    if "dry_run" in query:
        raise wrong("dry_run", "a batch has no dry run: POST the commands one by one")
    _refuse(query)


def _refuse(query: dict[str, list[str]]) -> None:
    if query:
        raise wrong(next(iter(query)), "there is no such parameter")


def wait_seconds(call: Call) -> float | None:
    """Read `Prefer: wait=N` (RFC 7240), at most 30."""
    prefer = call.header(b"prefer")
    found = _PREFER_WAIT.search(prefer) if prefer else None
    return min(float(found[1]), MAX_WAIT_SECONDS) if found else None
