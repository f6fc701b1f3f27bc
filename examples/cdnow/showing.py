"""Prints compact tables, or vertical rows where a table is too wide."""

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from examples.cdnow.reading import Line, Look

_WIDTH_OF_FILES = 200
_ANY_WIDTH = 10_000


class Screen:
    """The output of the report: a terminal, or a file or pipe as text."""

    def __init__(self, console: Console | None = None) -> None:
        """console: default stdout."""
        self._console = console or Console(highlight=False, markup=False, emoji=False)
        if not self._console.is_terminal:
            self._console.width = _WIDTH_OF_FILES
        self._began = time.monotonic()

    def step(self, what: str) -> None:
        """Print the current step, with the elapsed time."""
        self._console.print(f"{time.monotonic() - self._began:5.1f} s  {what}", soft_wrap=True)

    def say(self, text: str = "") -> None:
        """Print lines unchanged."""
        self._console.print(text, soft_wrap=True)

    def title(self, text: str) -> None:
        """Print a heading."""
        self._console.print()
        self._console.print(text, style="bold", soft_wrap=True)

    def compare(self, title: str, lines: Sequence[Line]) -> bool:
        """Show figures beside the expected ones; True if all agree."""
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

    def rows(self, title: str, look: Look) -> None:
        """Show a few rows of a view, and their total."""
        if not look.rows:
            self.title(title)
            self.say("(none)")
            return
        self.title(f"{title} ({len(look.rows)} of {look.total:,} rows)")
        table = _table(tuple(look.rows[0]))
        for row in look.rows:
            table.add_row(*map(_cell, row.values()))
        if self._fits(table):
            self._console.print(table)
        else:
            self._list(look.rows)

    def _fits(self, table: Table) -> bool:
        options = self._console.options.update(width=_ANY_WIDTH)
        return self._console.measure(table, options=options).maximum <= self._console.width

    def _list(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Show rows one after the other, one line per column, without truncation."""
        width = max(map(len, rows[0]))
        for number, row in enumerate(rows):
            if number:
                self.say()
            for column, value in row.items():
                self.say(f"{column:{width}}  {_cell(value)}")


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
