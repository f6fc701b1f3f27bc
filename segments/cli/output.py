"""Prints results as a table or as JSON."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def plain(value: Any) -> Any:
    """Convert a value to JSON types."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value)


def counted(count: int, noun: str) -> str:
    """Format a count with its noun, as in `1 line` and `2 lines`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    return str(plain(value))


def print_json(value: Any) -> None:
    """Print one JSON value on stdout."""
    click.echo(json.dumps(plain(value), ensure_ascii=False))


def print_rows(
    rows: Iterable[Mapping[str, Any]], columns: Iterable[str] | None = None, *, err: bool = False
) -> None:
    """Print rows as a table. err: on stderr."""
    # Imported here because rich takes 0.1 s, which a command that prints JSON or one line need not spend.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    listed = [dict(row) for row in rows]
    if not listed:
        click.echo("(none)", err=err)
        return
    names = list(columns) if columns is not None else list(listed[0])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in listed:
        table.add_row(*(_cell(row[name]) for name in names))
    width = None if (sys.stderr if err else sys.stdout).isatty() else 240
    Console(stderr=err, width=width, highlight=False, markup=False, emoji=False).print(table)
