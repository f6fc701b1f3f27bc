"""What a request wants besides its commands: headers and parameters of the two calls that publish."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from schemas.refusal import FieldError, Reason, Refusal, describe
from service.api.problems import Problem, of_refusal

if TYPE_CHECKING:
    from service.api.asgi import Call

MAX_WAIT_SECONDS = 30
_LINES = ("application/x-ndjson", "application/jsonl")
_PREFER_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})\"?", re.IGNORECASE)
_IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def idempotency_key(call: Call) -> str | None:
    """Read `Idempotency-Key`. Raises: Problem 400."""
    key = call.header(b"idempotency-key")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        error = FieldError("", "header Idempotency-Key must be 1 to 255 printable ASCII")
        raise of_refusal(Refusal(Reason.INVALID_FIELD, describe([error]), [error]))
    return key


def is_lines(call: Call) -> bool:
    """Tell whether a batch comes as NDJSON."""
    return (call.header(b"content-type") or "").partition(";")[0].strip().lower() in _LINES


def traceparent(call: Call) -> str | None:
    """Give our own span's, else the caller's as it was sent."""
    sent = call.traceparent or call.header(b"traceparent")
    return sent if sent is not None and _TRACEPARENT.fullmatch(sent) else None


def is_dry_run(call: Call) -> bool:
    """Read `?dry_run=`. Raises: Problem 400."""
    said = call.query("dry_run")
    if said not in (None, "true", "false"):
        raise Problem(400, "invalid_field", "query parameter dry_run must be true or false")
    return said == "true"


def wait_seconds(call: Call) -> float | None:
    """Read `Prefer: wait=N` (RFC 7240), at most 30."""
    prefer = call.header(b"prefer")
    found = _PREFER_WAIT.search(prefer) if prefer else None
    return min(float(found[1]), MAX_WAIT_SECONDS) if found else None
