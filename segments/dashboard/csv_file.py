"""CSV for spreadsheets: a cell that one would take for a formula is made a text."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def heading(columns: Sequence[str]) -> bytes:
    """Return the first line."""
    return ",".join(columns).encode() + b"\r\n"


def encode(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Encode rows. Null is empty, objects are JSON, times are RFC 3339."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([cell(row[name]) for name in columns] for row in rows)
    return text.getvalue().encode()


def cell(value: Any) -> Any:
    """Return what stands for a value: a text that begins like a formula gets an apostrophe before it."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False) if value else None
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
