"""Files of commands: CSV (`table`), or NDJSON; read line by line, resumable."""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.command import check_size, read_command
from segments.cli.encoding import cp_1252_fault, utf_16_fault
from segments.cli.table import Table
from service.kafka.publish import record_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from schemas.command import Command
    from segments.cli.table import Row

_TABLES = (".csv", ".tsv")
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
    """A file to import."""

    def __init__(self, path: Path, network_id: str | None) -> None:
        self.path = path
        self.name = path.name
        self._network_id = network_id
        self.size = path.stat().st_size
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        self.identity = f"import:{digest.hexdigest()[:32]}:{network_id or ''}"
        self._is_csv = path.suffix.lower() in _TABLES

    def fault(self) -> str | None:
        """Say what is wrong with the file as a whole, and thus with every line; None: nothing."""
        if fault := utf_16_fault(self.path):
            return fault
        if not self._is_csv:
            return None
        faults = (Table(self.path).fault(self._network_id), cp_1252_fault(self.path))
        return "; ".join(filter(None, faults)) or None

    def key(self, number: int) -> str:
        """Give the idempotency key of a line: of this file, and of no other."""
        return f"{self.identity}:{number}"

    def lines(self, after: int) -> Iterator[Line]:
        """Give the lines after that number; the CSV heading is line 1."""
        if self._is_csv:
            yield from self._csv_lines(after)
        else:
            yield from self._json_lines(after)

    def _csv_lines(self, after: int) -> Iterator[Line]:
        for row in Table(self.path).rows():
            if row.number > after:
                yield self._csv_line(row)

    def _csv_line(self, row: Row) -> Line:
        number, end = row.number, row.end
        if row.fields is None:
            return Line(number, None, row.fault, "", "", end)
        given: dict[str, Any] = dict(row.fields)
        try:
            for name in INTEGERS:
                if name in given:
                    given[name] = _integer(name, given[name])
            metadata = given.pop("metadata", None)
            if metadata is not None:
                _check_json("metadata", metadata)
            if self._network_id is not None:
                given.setdefault("network_id", self._network_id)
            value = json_object(given, metadata=metadata)
        except (ValueError, RecursionError) as error:
            return Line(number, None, _said(error), "", "", end)
        return Line(number, value, "", str(given.get("network_id")), str(given.get("user")), end)

    def _json_lines(self, after: int) -> Iterator[Line]:
        end = 0
        with self.path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                end += len(raw)
                text = raw.removeprefix(codecs.BOM_UTF8 if number == 1 else b"").strip(b" \t\r\n")
                if number > after and text:
                    yield self._json_line(number, text, end)

    def _json_line(self, number: int, text: bytes, end: int) -> Line:
        try:
            given = json.loads(text.decode())
        except (ValueError, RecursionError) as error:
            return Line(number, None, f"not JSON: {_said(error)}", "", "", end)
        if not isinstance(given, dict):
            return Line(number, None, "not a JSON object", "", "", end)
        if self._network_id is not None and "network_id" not in given:
            # Said in front of the rest, whose text stays as it stands: numbers keep their digits.
            first = json_object({"network_id": self._network_id}).removesuffix(b"}")
            text = first + (b", " if given else b"") + text[1:]
            given["network_id"] = self._network_id
        return Line(number, text, "", str(given.get("network_id")), str(given.get("user")), end)


class Progress:
    """What was done of an import, noted beside the file in `<file>.progress` and taken away at the end.

    cluster_id, topic: where it goes. What one cluster has of the file, another one has not.
    """

    def __init__(self, file: ImportFile, cluster_id: str | None, topic: str) -> None:
        self.path = file.path.with_name(file.name + ".progress")
        self._identity = [file.identity, cluster_id, topic]

    def noted(self) -> tuple[int, dict[str, Any]]:
        """Give the last line that was noted, with what came of those up to it; 0 for none, or of another import."""
        try:
            noted = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return 0, {}
        return (noted["line"], noted["done"]) if noted.get("import") == self._identity else (0, {})

    def note(self, number: int, done: Mapping[str, Any]) -> None:
        """Note that the broker has all lines up to this one. done: what came of them, as JSON."""
        text = json.dumps({"import": self._identity, "line": number, "done": done})
        # Written aside and renamed: whoever is killed here leaves the old note or the new one.
        aside = self.path.with_name(self.path.name + ".new")
        aside.write_text(text, "utf-8")
        aside.replace(self.path)

    def finish(self) -> None:
        """Forget the notes: all is published."""
        self.path.unlink(missing_ok=True)


def read_value(value: bytes) -> Command:
    """Read a command as the ingest will, under the record key that it is published with. Raises Refusal."""
    command = read_command(value)
    check_size(record_key(command.network_id, command.user), value)
    return command


def json_object(given: Mapping[str, Any], **raw: str | None) -> bytes:
    """Write one JSON object; `raw` holds members whose value is JSON text already, kept as it stands.

    Raises: UnicodeEncodeError for lone surrogates, which UTF-8 can't say.
    """
    members = {name: json.dumps(value, ensure_ascii=False) for name, value in given.items()}
    members |= {name: text for name, text in raw.items() if text is not None}
    pairs = (f"{json.dumps(name, ensure_ascii=False)}: {text}" for name, text in members.items())
    return ("{" + ", ".join(pairs) + "}").encode()


def _check_json(name: str, text: str) -> None:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON: {_said(error)}") from error


def _integer(name: str, text: str) -> int:
    """Read an integer as a spreadsheet writes it; int() alone would take 1_000 and other scripts' digits."""
    if not re.fullmatch(r"\s*-?[0-9]{1,20}\s*", text, re.ASCII):
        raise ValueError(f"{name} is not an integer")
    return int(text)


def _said(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        # Without its "line 1", which is not the file's.
        return f"{error.msg} at character {error.pos + 1}"
    return "not UTF-8" if isinstance(error, UnicodeError) else str(error)
