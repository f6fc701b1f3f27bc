"""CSV as spreadsheets write it: separator, heading and rows."""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from schemas.command.strict_reader import FIELDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path
    from typing import TextIO

_NEEDED = ("user", "segment_id", "user_status")
_SEPARATORS = (",", ";", "\t")
# Excel's own line in front of the heading, to which other programs may have added empty fields.
_SEP_LINE = re.compile(r'"?sep=([^"\r\n])"?[,;\t]*[\r\n]*', re.IGNORECASE)
_LONGEST_SEP_LINE = 1000
# Empty rows before a heading.
_MOST_EMPTY = 1000


class Row(NamedTuple):
    """A row and the number of its last line. fields: None if it can't be parsed. end: characters up to here."""

    number: int
    fields: dict[str, str] | None
    fault: str
    end: int


class Table:
    """A file's heading and rows.

    The separator is that of a first line `sep=;`, else the one of comma, semicolon and tab with which the heading has
    most fields of a command. Empty rows are ignored.
    columns: the field that a name stands for; empty: none. heading: the names as the file has them.
    """

    def __init__(self, path: Path, columns: Mapping[str, str] | None = None) -> None:
        self._path = path
        with self._open() as file:
            declared = _SEP_LINE.fullmatch(file.readline(_LONGEST_SEP_LINE))
        self._first = 1 if declared else 0  # lines before those that csv reads
        self._unread = ""
        separators = (declared[1],) if declared else _SEPARATORS
        headings = [(separator, self._heading(separator)) for separator in separators]
        self._separator, self.names = max(
            headings, key=lambda one: (len(set(one[1] or ()) & {*FIELDS}), len(one[1] or ()))
        )
        self.heading = self.names or []
        self._left_out = {name for name, field in (columns or {}).items() if not field}
        if columns and self.names is not None:
            self.names = [columns.get(name, name) for name in self.names]

    def _open(self) -> TextIO:
        return self._path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")

    def _heading(self, separator: str) -> list[str] | None:
        """Parse the heading with a separator; None if there is none or it can't be parsed."""
        with self._open() as file:
            _skip(file, self._first)
            try:
                rows = csv.reader(file, delimiter=separator)
                names = next(filter(any, islice(rows, _MOST_EMPTY + 1)), None)
                if names is None and rows.line_num > _MOST_EMPTY:
                    self._unread = f"more than {_MOST_EMPTY:,} empty rows come before it"
            except csv.Error as error:
                self._unread = str(error)
                return None
        return None if names is None else [_name(text) for text in names]

    def fault(self, given: Collection[str]) -> str | None:
        """Return the faults of the heading, which make every row wrong; None without a fault or a heading.

        given: fields that rows need not have. A column without a name is accepted if it is empty.
        """
        if self.names is None:
            return f"the heading can't be read: {self._unread}" if self._unread else None
        faults = []
        unknown = [name for name in self.names if name and name not in FIELDS]
        if unknown:
            faults.append(
                f"its heading has names that are not fields of a command: {_some(unknown)}"
            )
        counts = Counter(filter(None, self.names))
        if twice := sorted(name for name, count in counts.items() if count > 1):
            faults.append(f"its heading has duplicate names: {_some(twice)}")
        if missing := [name for name in _NEEDED if name not in self.names and name not in given]:
            faults.append(f"its heading lacks {', '.join(missing)}")
        if "network_id" not in given and "network_id" not in self.names:
            faults.append("it has no network: add --network, or a column network_id")
        return "; ".join(faults) or None

    def rows(self) -> Iterator[Row]:
        """Yield the rows after the heading."""
        end = 0

        def measured(file: TextIO) -> Iterator[str]:
            nonlocal end
            for text in file:
                end += len(text)
                yield text

        with self._open() as file:
            lines = measured(file)
            _skip(lines, self._first)
            reader = csv.reader(lines, delimiter=self._separator)
            names: list[str] | None = None
            while True:
                try:
                    texts = next(reader, None)
                except csv.Error as error:
                    yield Row(self._first + reader.line_num, None, str(error), end)
                    continue
                if texts is None:
                    return
                if not any(texts):
                    continue
                if names is None:
                    names = self.names or []
                    continue
                number = self._first + reader.line_num
                if len(texts) != len(names):
                    yield Row(number, None, "has another number of fields than the heading", end)
                    continue
                fields = {
                    name: text
                    for name, text, column in zip(names, texts, self.heading, strict=True)
                    if column not in self._left_out
                }
                yield Row(number, {name: text for name, text in fields.items() if text}, "", end)


def _skip(lines: Iterator[str], count: int) -> None:
    for _ in range(count):
        next(lines, None)


def _some(names: list[str]) -> str:
    return ", ".join(repr(name[:100]) for name in names[:20])


def _name(text: str) -> str:
    """Convert a column's name to the name of a field: `Segment ID` becomes segment_id."""
    return "_".join(text.strip().lower().split())
