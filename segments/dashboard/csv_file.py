"""CSV for spreadsheets: a cell that one would take for a formula is made a text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from projections.http.formats import CSV, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from projections.queries.rows import Row

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def spreadsheet(columns: Sequence[str]) -> tuple[str, bytes, Callable[[Iterable[Row]], bytes]]:
    """Return media type, heading and row encoder, as `lines` does for CSV, without formulas."""
    media_type, heading, encode = lines(CSV, columns)
    return media_type, heading, lambda rows: encode(harmless(row) for row in rows)


def harmless(row: Row) -> Row:
    """Return a row without formulas."""
    return {name: cell(value) for name, value in row.items()}


def cell(value: Any) -> Any:
    """Return what stands for a value: an apostrophe before a formula, JSON for an object, None for an empty one."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False) if value else None
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
