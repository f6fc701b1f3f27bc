"""The options of the two publishing calls: their headers and parameters, read once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

from service.http.kit.parameters import wrong

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope

MAX_WAIT_SECONDS = 30
_LINES = ("application/x-ndjson", "application/jsonl")
_PREFER_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})\"?", re.IGNORECASE)
KEY_FORM = re.compile(r"[\x20-\x7e]{1,255}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Options(NamedTuple):
    """The options of a request. wait_seconds: to wait for the outcome, or None. is_lines: a batch is sent as NDJSON."""

    idempotency_key: str | None
    traceparent: str | None
    is_dry_run: bool
    wait_seconds: float | None
    is_lines: bool

    def item_keys(self, count: int) -> list[str | None]:
        """Return the idempotency key of each batch item. Raises: Problem 400 if the last would be too long."""
        key = self.idempotency_key
        if key is None:
            return [None] * count
        keys = [f"{key}:{number}" for number in range(count)]
        if not KEY_FORM.fullmatch(keys[-1]):
            room = 255 - len(keys[-1]) + len(key)
            raise wrong(
                "", f"header Idempotency-Key must be 1 to {room} characters for so many items"
            )
        return list(keys)


def first_headers(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers by name in lower case; the first of those with the same name."""
    return dict(reversed(scope["headers"]))


def header(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    """Return one of `first_headers`."""
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def read_options(
    scope: Scope, headers: Mapping[bytes, bytes], *, is_batch: bool = False
) -> Options:
    """Read the options. headers: from `first_headers`.

    Raises: Problem 400, also for an unknown parameter: a misspelt dry_run must not publish.
    """
    key = header(headers, b"idempotency-key")
    if key is not None:
        if sum(name == b"idempotency-key" for name, _ in scope["headers"]) > 1:
            raise wrong("", "header Idempotency-Key was sent more than once")
        if not KEY_FORM.fullmatch(key):
            raise wrong("", "header Idempotency-Key must be 1 to 255 printable ASCII")
    traceparent = header(headers, b"traceparent")
    prefer = header(headers, b"prefer")
    return Options(
        key,
        traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None,
        _is_dry_run(scope["query_string"], is_batch=is_batch),
        _wait_seconds(prefer) if prefer else None,
        is_batch and _is_lines(header(headers, b"content-type") or ""),
    )


def _is_lines(kind: str) -> bool:
    return kind.partition(";")[0].strip().lower() in _LINES


def _is_dry_run(query_string: bytes, *, is_batch: bool) -> bool:
    """Read `?dry_run=`, the only parameter; a batch has none."""
    if not query_string:
        return False
    query = parse_qs(query_string.decode("latin-1"), keep_blank_values=True)
    values = query.pop("dry_run", None)
    if values is not None and is_batch:
        raise wrong("dry_run", "a batch has no dry run: POST the commands one by one")
    if values not in (None, ["true"], ["false"]):
        raise wrong("dry_run", "must be true or false, once")
    if query:
        raise wrong(next(iter(query)), "there is no such parameter")
    return values == ["true"]


def _wait_seconds(prefer: str) -> float | None:
    """Read `Prefer: wait=N`; other preferences are ignored (RFC 7240)."""
    match = _PREFER_WAIT.search(prefer)
    return min(float(match[1]), MAX_WAIT_SECONDS) if match else None
