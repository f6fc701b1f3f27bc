"""Printing for people: compact tables, cut to the width at hand."""

import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from examples.cdnow.reading import Line

_WIDTH_OF_FILES = 140


class Screen:
    """Where the report goes: a terminal, or a file or pipe as text."""

    def __init__(self) -> None:
        """Take stdout as it is."""
        self._console = Console(highlight=False, markup=False, emoji=False)
        if not self._console.is_terminal:
            self._console.width = _WIDTH_OF_FILES
        self._began = time.monotonic()

    def step(self, what: str) -> None:
        """Say what is being done, and when."""
        self._console.print(f"{time.monotonic() - self._began:5.1f} s  {what}", soft_wrap=True)

    def say(self, text: str = "") -> None:
        """Print lines as they are."""
        self._console.print(text, soft_wrap=True)

    def title(self, text: str) -> None:
        """Head a part of the report."""
        self._console.print()
        self._console.print(text, style="bold", soft_wrap=True)

    def compare(self, title: str, lines: Sequence[Line]) -> bool:
        """Show figures beside what they should be; True if all agree."""
        self.title(title)
        table = _table(("", "file", "views", ""))
        for line in lines:
            agrees = line.expected == line.found
            figures = (f"{line.expected:,}", f"{line.found:,}", "=" if agrees else "DIFFERS")
            table.add_row(line.what, *figures, style=None if agrees else "bold red")
        for column in table.columns[1:3]:
            column.justify = "right"
        self._console.print(table)
        return all(line.expected == line.found for line in lines)

    def rows(self, title: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Show a few rows of a view."""
        listed = list(rows)
        self.title(title)
        if not listed:
            self.say("(none)")
            return
        table = _table(tuple(listed[0]))
        for row in listed:
            table.add_row(*map(_cell, row.values()))
        self._console.print(table)


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "·"
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return str(value)
