"""How members are answered: a page of JSON, or all of them as lines of JSON or as CSV (RFC 4180)."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from projections.reading.members import COLUMNS
from service.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from projections.reading.rows import Row

JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
KINDS = (JSON, NDJSON, CSV)
# What a client may say for one of them, the most exact first.
_RANGES = {kind: (kind, f"{kind.partition('/')[0]}/*", "*/*") for kind in KINDS}
_WEIGHT = re.compile(r"[01](\.[0-9]{0,3})?")
_encode = msgspec.json.Encoder().encode


def answer(body: Mapping[str, Any]) -> Response:
    """Answer with JSON."""
    return Response(_encode(body), media_type=JSON)


def negotiate(accept: str | None) -> str:
    """Choose among KINDS by an Accept header (RFC 9110, section 12.5.1); JSON where all is welcome.

    Raises: Problem 406.
    """
    if not accept or not accept.strip():
        return JSON
    wanted: dict[str, float] = {}
    for one in accept.split(","):
        name, *parameters = (part.strip().lower() for part in one.split(";"))
        weights = [part[2:] for part in parameters if part.startswith("q=")]
        wanted[name] = _weight(weights[0]) if weights else 1.0

    def weight(kind: str) -> float:
        return next((wanted[said] for said in _RANGES[kind] if said in wanted), 0.0)

    best = max(KINDS, key=weight)
    if weight(best) <= 0:
        raise Problem(406, "not_acceptable", f"there is {', '.join(KINDS)}")
    return best


def _weight(text: str) -> float:
    return float(text) if _WEIGHT.fullmatch(text) else 0.0


def _ndjson(rows: Iterable[Row]) -> bytes:
    return b"".join(_encode(row) + b"\n" for row in rows)


def _csv(rows: Iterable[Row]) -> bytes:
    """Null is empty, metadata is JSON, times are RFC 3339."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([_cell(row[name]) for name in COLUMNS] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


# What a stream of each kind begins with, and how its rows are encoded.
LINES: Mapping[str, tuple[bytes, Callable[[Iterable[Row]], bytes]]] = MappingProxyType(
    {NDJSON: (b"", _ndjson), CSV: (",".join(COLUMNS).encode() + b"\r\n", _csv)}
)
