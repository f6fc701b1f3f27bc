"""The folder of an export: files that are whole or absent, and the notes by which an interrupted export goes on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from service.runtime.errors import SegmentsError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

MANIFEST = "manifest.json"
FORMAT = 1
_NOTES = "progress.jsonl"
_UNFINISHED = ".unfinished"


class FolderError(SegmentsError):
    """The export can't be written; the same command goes on where it stopped."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of an export. path: relative to the folder; personal: only a restore needs it."""

    path: str
    rows: int
    bytes: int
    sha256: str
    personal: bool


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FolderError(f"({path}: {error.strerror or error})") from error


class Folder:
    """The folder, with notes of what is done. request: what the export was asked for.

    Raises: WrongUseError if the folder holds something else; FolderError if it can't be written.
    """

    def __init__(self, root: Path, request: Mapping[str, Any]) -> None:
        self.root = root
        self._request = dict(request)
        self.begun: dict[str, Any] | None = None
        self.done: dict[str, list[File]] = {}
        with _writing(root):
            root.mkdir(parents=True, exist_ok=True)
            if any(root.iterdir()):
                self._read_notes()
            else:
                self._note({"request": self._request})

    def _read_notes(self) -> None:
        if (self.root / MANIFEST).exists():
            raise WrongUseError(f"({self.root} holds a finished export; choose another folder.)")
        notes = self._whole_notes()
        if not notes or "request" not in notes[0]:
            raise WrongUseError(f"({self.root} is not empty.)")
        for note in notes:
            if note.get("request", self._request) != self._request:
                raise WrongUseError(
                    f"({self.root} holds an unfinished export with other options: {note['request']}.)"
                )
            self.begun = note.get("begun", self.begun)
            if "unit" in note:
                files = [File(**one) for one in note["files"]]
                if all(self._is_whole(file) for file in files):
                    self.done[note["unit"]] = files

    def _whole_notes(self) -> list[dict[str, Any]]:
        """Read the notes; cut off the last line if a crash cut it, so that the next note has a line of its own."""
        path = self.root / _NOTES
        if not path.exists():
            return []
        text = path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        try:
            notes = [json.loads(line) for line in whole.splitlines()]
        except ValueError:
            return []
        if len(whole) < len(text):
            with _writing(path):
                os.truncate(path, len(whole))
        return [note for note in notes if isinstance(note, dict)]

    def _is_whole(self, file: File) -> bool:
        path = self.root / file.path
        if not path.exists() or path.stat().st_size != file.bytes:
            return False
        return _digest(path) == file.sha256

    def _note(self, note: Mapping[str, Any]) -> None:
        with (self.root / _NOTES).open("a", encoding="utf-8") as notes:
            notes.write(json.dumps(note) + "\n")
            notes.flush()
            os.fsync(notes.fileno())

    def begin(self, content: Mapping[str, Any]) -> None:
        """Note what the whole export is of."""
        self.begun = dict(content)
        with _writing(self.root):
            self._note({"begun": self.begun})

    def finish_unit(self, unit: str, files: list[File]) -> None:
        """Note that a unit of work is done: its files are kept."""
        self.done[unit] = files
        with _writing(self.root):
            self._note({"unit": unit, "files": [asdict(file) for file in files]})

    def clear(self) -> None:
        """Remove all that was written, and start anew."""
        self.begun = None
        self.done = {}
        with _writing(self.root):
            for entry in self.root.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
            self._note({"request": self._request})

    def write(self, path: str, rows: pa.Table, *, personal: bool) -> File:
        """Write one file; whole, or under another name."""
        target = self.root / path
        unfinished = target.with_name(target.name + _UNFINISHED)
        with _writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(rows, unfinished, compression="zstd", row_group_size=len(rows) or 1)
            with unfinished.open("rb+") as file:
                os.fsync(file.fileno())
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            unfinished.rename(target)
            return File(path, len(rows), target.stat().st_size, digest, personal)

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest; the export is finished with it."""
        target = self.root / MANIFEST
        unfinished = target.with_name(MANIFEST + _UNFINISHED)
        with _writing(target):
            with unfinished.open("w", encoding="utf-8") as file:
                json.dump(manifest, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(target)
            (self.root / _NOTES).unlink()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
