"""Formats of responses: JSON, NDJSON, or CSV (RFC 4180)."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from service.http.kit.negotiation import JSON
from service.http.kit.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from projections.queries.rows import Reach, Row

NDJSON, CSV = "application/x-ndjson", "text/csv"
KINDS = (JSON, NDJSON, CSV)
# The other formats of a response, for OpenAPI.
STREAMS: dict[str, Any] = {kind: {"schema": {"type": "string"}} for kind in (NDJSON, CSV)}
COMPLETE_UNTIL = "Segments-Complete-Until"
SNAPSHOT = "Segments-Snapshot"
_encode = msgspec.json.Encoder().encode


def answer(body: Mapping[str, Any], reach: Reach) -> Response:
    """Respond with JSON, `complete_until` after the other fields, and the snapshot as a header."""
    text = _encode({**body, "complete_until": reach.complete_until})
    return Response(text, media_type=JSON, headers={SNAPSHOT: reach.snapshot})


def not_found(reason: str, detail: str, reach: Reach) -> Problem:
    """404, with how far what was read reaches."""
    more = {"complete_until": reach.complete_until}
    return Problem(404, reason, detail, headers={SNAPSHOT: reach.snapshot}, more=more)


def lines(kind: str, columns: Sequence[str]) -> tuple[str, bytes, Callable[[Iterable[Row]], bytes]]:
    """Return media type, heading and row encoder for NDJSON or CSV with these columns."""
    if kind == NDJSON:
        return kind, b"", _ndjson
    heading = ",".join(columns).encode() + b"\r\n"
    return "text/csv; charset=utf-8; header=present", heading, partial(_csv, columns)


def reaches(reach: Reach) -> dict[str, str]:
    """Return the snapshot and `complete_until` as headers, for formats without a field for the latter."""
    headers = {SNAPSHOT: reach.snapshot}
    if reach.complete_until:
        headers[COMPLETE_UNTIL] = reach.complete_until.isoformat()
    return headers


def _ndjson(rows: Iterable[Row]) -> bytes:
    return b"".join(_encode(row) + b"\n" for row in rows)


def _csv(columns: Sequence[str], rows: Iterable[Row]) -> bytes:
    """Null is empty, objects and lists are JSON, times are RFC 3339."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    if isinstance(value, dict | list):
        return _encode(value).decode()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value
