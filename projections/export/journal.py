"""The folder of an export: files that are whole or absent, and the notes by which an interrupted export goes on."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from service.runtime.errors import SegmentsError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

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
    """The folder, with notes of what is done; locked until it is closed. request: what the export was asked for.

    Raises: WrongUseError if the folder holds something else, or another process writes it; FolderError if it can't be
    written.
    """

    def __init__(self, root: Path, request: Mapping[str, Any]) -> None:
        self.root = root
        self._request = dict(request)
        self.begun: dict[str, Any] | None = None
        self.done: dict[str, list[File]] = {}
        with _writing(root):
            root.mkdir(parents=True, exist_ok=True)
            if not (root / _NOTES).exists():
                self._require_empty()
            # Without a buffer: on a full disk, closing it would fail again.
            self._notes = (root / _NOTES).open("ab", buffering=0)
        try:
            self._lock()
            self._read_notes()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Return the folder."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let others write the folder."""
        self._notes.close()

    def _require_empty(self) -> None:
        if (self.root / MANIFEST).exists():
            raise WrongUseError(f"({self.root} holds a finished export; choose another folder.)")
        if any(entry.name != _NOTES or entry.stat().st_size for entry in self.root.iterdir()):
            raise WrongUseError(f"({self.root} is not empty.)")

    def _lock(self) -> None:
        """Lock the notes, which stay where they are until the export is finished."""
        try:
            fcntl.flock(self._notes, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WrongUseError(f"(Another export into {self.root} is running.)") from error

    def _read_notes(self) -> None:
        notes = self._whole_notes()
        if not notes or (self.root / MANIFEST).exists():
            self._require_empty()
            with _writing(self.root):
                self._note({"request": self._request})
            return
        if "request" not in notes[0]:
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
        text = path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        try:
            notes = [json.loads(line) for line in whole.splitlines()]
        except ValueError:
            return []
        if len(whole) < len(text):
            with _writing(path):
                self._notes.truncate(len(whole))
        return [note for note in notes if isinstance(note, dict)]

    def _is_whole(self, file: File) -> bool:
        path = self.root / file.path
        if not path.exists() or path.stat().st_size != file.bytes:
            return False
        return _digest(path) == file.sha256

    def _note(self, note: Mapping[str, Any]) -> None:
        line = json.dumps(note).encode() + b"\n"
        while line:
            line = line[self._notes.write(line) :]
        os.fsync(self._notes.fileno())

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
                elif entry.name != _NOTES:
                    entry.unlink()
            self._notes.truncate(0)
            self._note({"request": self._request})

    def write(self, path: str, rows: pa.Table, *, personal: bool) -> File:
        """Write one file; whole, or not at all. personal: only its owner can read it and its folder."""
        target = self.root / path
        unfinished = target.with_name(target.name + _UNFINISHED)
        with _writing(target):
            self._make_folder(target.parent, personal=personal)
            try:
                _create(unfinished, personal=personal)
                with pa.OSFile(str(unfinished), "wb") as file:
                    pq.write_table(rows, file, compression="zstd", row_group_size=len(rows) or 1)
                digest = _digest(unfinished, sync=True)
                unfinished.rename(target)
            except OSError:
                # On a full disk the part of it is in the way of others.
                with suppress(OSError):
                    unfinished.unlink()
                raise
            return File(path, len(rows), target.stat().st_size, digest, personal)

    def _make_folder(self, path: Path, *, personal: bool) -> None:
        if path.is_dir():
            return
        if path != self.root:
            self._make_folder(path.parent, personal=personal)
        path.mkdir(exist_ok=True)
        if personal:
            path.chmod(0o700)

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


def _create(path: Path, *, personal: bool) -> None:
    """Create an empty file; of a personal one nobody else can ever read the content."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if personal else 0o666)
    try:
        if personal:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def _digest(path: Path, *, sync: bool = False) -> str:
    """Digest a file. sync: flush it to the disk first."""
    with path.open("rb") as file:
        if sync:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()
