"""Files of commands, CSV (`table`) or NDJSON, read line by line; resumable."""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.command import check_size, read_command
from segments.importing.encoding import cp_1252_fault, utf_16_fault
from segments.importing.table import Table
from service.kafka.publish import record_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from schemas.command import Command
    from segments.importing.table import Row

_TABLES = (".csv", ".tsv")
INTEGERS = ("segment_id", "status_change_timestamp", "expires_at")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the command's JSON, or its fault. end: the approximate number of bytes up to here."""

    number: int
    value: bytes | None
    fault: str
    network_id: str
    user: str
    end: int


class ImportFile:
    """A file to import.

    columns: of a table, the field that a name of the heading stands for; empty: none, the column is left out.
    defaults: the fields of lines that do not have them.
    """

    def __init__(
        self,
        path: Path,
        network_id: str | None,
        columns: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self.name = path.name
        self._network_id = network_id
        self._columns = dict(columns or {})
        self._defaults = dict(defaults or {})
        if network_id is not None:
            self._defaults["network_id"] = network_id
        self.size = path.stat().st_size
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        self.identity = f"import:{digest.hexdigest()[:32]}:{network_id or ''}"
        if columns or defaults:
            # With other fields the same file has other commands.
            how = json.dumps([self._columns, self._defaults], sort_keys=True).encode()
            self.identity += f":{hashlib.sha256(how).hexdigest()[:16]}"
        self._is_csv = path.suffix.lower() in _TABLES

    def fault(self) -> str | None:
        """Return a fault of the whole file, which makes every line wrong, or None."""
        if fault := utf_16_fault(self.path):
            return fault
        if not self._is_csv:
            return None
        faults = (self.table().fault(self._defaults), cp_1252_fault(self.path))
        return "; ".join(filter(None, faults)) or None

    def table(self) -> Table:
        """Open it as a table."""
        return Table(self.path, self._columns)

    def key(self, number: int) -> str:
        """Return the idempotency key of a line, unique to the content of this file."""
        return f"{self.identity}:{number}"

    def lines(self, after: int) -> Iterator[Line]:
        """Yield the lines after number `after`; the CSV heading is line 1."""
        if self._is_csv:
            yield from self._csv_lines(after)
        else:
            yield from self._json_lines(after)

    def _csv_lines(self, after: int) -> Iterator[Line]:
        for row in self.table().rows():
            if row.number > after:
                yield self._csv_line(row)

    def _csv_line(self, row: Row) -> Line:
        number, end = row.number, row.end
        if row.fields is None:
            return Line(number, None, row.fault, "", "", end)
        fields: dict[str, Any] = dict(row.fields)
        try:
            for name in INTEGERS:
                if name in fields:
                    fields[name] = _integer(name, fields[name])
            metadata = fields.pop("metadata", None)
            if metadata is not None:
                _check_json("metadata", metadata)
            fields = self._defaults | fields
            value = json_object(fields, metadata=metadata)
        except (ValueError, RecursionError) as error:
            return Line(number, None, _message(error), "", "", end)
        return Line(number, value, "", str(fields.get("network_id")), str(fields.get("user")), end)

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
            fields = json.loads(text.decode())
        except (ValueError, RecursionError) as error:
            return Line(number, None, f"not JSON: {_message(error)}", "", "", end)
        if not isinstance(fields, dict):
            return Line(number, None, "not a JSON object", "", "", end)
        if missing := {k: v for k, v in self._defaults.items() if k not in fields}:
            # Inserted before the rest, whose text stays unchanged, so that numbers keep their digits.
            first = json_object(missing).removesuffix(b"}")
            text = first + (b", " if fields else b"") + text[1:]
            fields |= missing
        return Line(number, text, "", str(fields.get("network_id")), str(fields.get("user")), end)


class Progress:
    """The progress of an import, stored beside the file in `<file>.progress` and deleted at the end.

    cluster_id, topic: the destination; the progress applies to no other.
    """

    def __init__(self, file: ImportFile, cluster_id: str | None, topic: str) -> None:
        self.path = file.path.with_name(file.name + ".progress")
        self._identity = [file.identity, cluster_id, topic]

    def noted(self) -> tuple[int, dict[str, Any]]:
        """Return the last stored line and the counts up to it; 0 if there is none, or of another import."""
        try:
            noted = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return 0, {}
        return (noted["line"], noted["done"]) if noted.get("import") == self._identity else (0, {})

    def note(self, number: int, done: Mapping[str, Any]) -> None:
        """Store that the broker has acknowledged all lines up to this one. done: their counts."""
        text = json.dumps({"import": self._identity, "line": number, "done": done})
        # Written to another file and renamed, so that a crash leaves the old version or the new one.
        aside = self.path.with_name(self.path.name + ".new")
        aside.write_text(text, "utf-8")
        aside.replace(self.path)

    def finish(self) -> None:
        """Delete the progress, because everything is published."""
        self.path.unlink(missing_ok=True)


def read_value(value: bytes) -> Command:
    """Parse a command as ingest will, with the record key that it is published with. Raises Refusal."""
    command = read_command(value)
    check_size(record_key(command.network_id, command.user), value)
    return command


def json_object(fields: Mapping[str, Any], **raw: str | None) -> bytes:
    """Encode a JSON object; `raw` has members whose value is JSON text already, and is kept unchanged.

    Raises: UnicodeEncodeError for lone surrogates, which UTF-8 can't encode.
    """
    members = {name: json.dumps(value, ensure_ascii=False) for name, value in fields.items()}
    members |= {name: text for name, text in raw.items() if text is not None}
    pairs = (f"{json.dumps(name, ensure_ascii=False)}: {text}" for name, text in members.items())
    return ("{" + ", ".join(pairs) + "}").encode()


def _check_json(name: str, text: str) -> None:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON: {_message(error)}") from error


def _integer(name: str, text: str) -> int:
    """Parse an integer as a spreadsheet writes it; int() would also accept 1_000 and digits of other scripts."""
    if not re.fullmatch(r"\s*-?[0-9]{1,20}\s*", text, re.ASCII):
        raise ValueError(f"{name} is not an integer")
    return int(text)


def _message(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        # Without the decoder's line number, which is not the file's.
        return f"{error.msg} at character {error.pos + 1}"
    return "not UTF-8" if isinstance(error, UnicodeError) else str(error)
