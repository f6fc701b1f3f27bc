"""Files of commands: CSV with a heading, or NDJSON; read line by line, resumable."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INTEGERS = ("segment_id", "status_change_timestamp", "expires_at")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the command's JSON, or what is wrong with the line. end: bytes of the file up to here, about."""

    number: int
    value: bytes | None
    fault: str
    network_id: str
    user: str
    end: int


class ImportFile:
    """A file to import. What the broker has is noted in `<file>.progress`, taken away at the end."""

    def __init__(self, path: Path, network_id: str | None) -> None:
        self._path = path
        self._network_id = network_id
        self.size = path.stat().st_size
        with path.open("rb") as file:
            self._digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._progress = path.with_name(path.name + ".progress")

    def key(self, number: int) -> str:
        """Give the idempotency key of a line: of this file, and of no other."""
        return f"import:{self._digest[:32]}:{self._network_id or ''}:{number}"

    def resume_after(self) -> int:
        """Give the last line that was noted, 0 for none or for another file."""
        try:
            noted = json.loads(self._progress.read_text("utf-8"))
        except (OSError, ValueError):
            return 0
        return int(noted["line"]) if noted.get("digest") == self._digest else 0

    def note(self, number: int) -> None:
        """Note that the broker has all lines up to this one."""
        text = json.dumps({"digest": self._digest, "line": number})
        self._progress.write_text(text, "utf-8")

    def finish(self) -> None:
        """Forget the notes: all is published."""
        self._progress.unlink(missing_ok=True)

    def lines(self, after: int) -> Iterator[Line]:
        """Give the lines after that number; the CSV heading is line 1."""
        is_csv = self._path.suffix.lower() == ".csv"
        with self._path.open(
            encoding="utf-8", errors="replace", newline="" if is_csv else "\n"
        ) as file:
            end = 0
            if is_csv:
                reader = csv.DictReader(file)
                for row in reader:
                    end += sum(len(v) + 1 for v in row.values() if isinstance(v, str))
                    if reader.line_num > after:
                        yield self._csv_line(reader.line_num, row, end)
            else:
                for number, text in enumerate(file, 1):
                    end += len(text)
                    if number > after and text.strip():
                        yield self._json_line(number, text, end)

    def _csv_line(self, number: int, row: dict[Any, Any], end: int) -> Line:
        if None in row or None in row.values():
            return Line(number, None, "another number of fields than the heading", "", "", end)
        given: dict[str, Any] = {name: text for name, text in row.items() if text != ""}
        try:
            for name in INTEGERS:
                if name in given:
                    given[name] = int(given[name])
            if "metadata" in given:
                given["metadata"] = json.loads(given["metadata"])
        except ValueError as error:
            return Line(number, None, str(error), "", "", end)
        return self._line(number, given, None, end)

    def _json_line(self, number: int, text: str, end: int) -> Line:
        try:
            given = json.loads(text)
        except (ValueError, RecursionError) as error:
            return Line(number, None, f"not JSON: {error}", "", "", end)
        if not isinstance(given, dict):
            return Line(number, None, "not a JSON object", "", "", end)
        return self._line(number, given, text.strip().encode("utf-8", "replace"), end)

    def _line(self, number: int, given: dict[str, Any], raw: bytes | None, end: int) -> Line:
        if self._network_id is not None and "network_id" not in given:
            given, raw = {"network_id": self._network_id, **given}, None
        # The text as it stands where it can be: numbers keep their digits.
        value = (
            raw
            if raw is not None
            else json.dumps(given, ensure_ascii=False).encode("utf-8", "replace")
        )
        return Line(number, value, "", str(given.get("network_id")), str(given.get("user")), end)
