"""The folder of a log, as C2SP tlog-tiles serves it: `checkpoint` and `tile/…`. No file is ever there in part."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from service.seal.tree import HASH_BYTES, TILE_BYTES, Tile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Files are flushed side by side, as each flush waits for the disk.
_THREADS = 8


class Folder:
    """Tiles and the checkpoint of one log."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoint_path(self) -> Path:
        """The file of the newest checkpoint."""
        return self.path / "checkpoint"

    def read_checkpoint(self) -> str | None:
        """Read the signed note; None: there is none."""
        try:
            return self.checkpoint_path.read_text("utf-8")
        except FileNotFoundError:
            return None

    def write_checkpoint(self, note: str) -> None:
        """Replace the checkpoint."""
        _write(self.checkpoint_path, note.encode())

    def read_tile(self, tile: Tile) -> bytes:
        """Read a tile's hashes, from itself or from a wider one. Raises: FileNotFoundError."""
        path = self._path(tile)
        full = self._path(Tile(tile.level, tile.number, TILE_BYTES // HASH_BYTES))
        wider = (
            full.with_name(f"{full.name}.p") / str(width)
            for width in range(tile.width + 1, TILE_BYTES // HASH_BYTES)
        )
        for candidate in (path, full, *wider):
            with suppress(FileNotFoundError):
                content = candidate.read_bytes()
                if len(content) >= tile.width * HASH_BYTES:
                    return content[: tile.width * HASH_BYTES]
        raise FileNotFoundError(path)

    def write_tiles(self, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Write tiles, durable on return. The partial ones that a full tile replaces go."""
        with ThreadPoolExecutor(_THREADS) as threads:
            for _ in threads.map(self._write_tile, tiles):
                pass

    def _write_tile(self, item: tuple[Tile, bytes]) -> None:
        tile, content = item
        path = self._path(tile)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, content)
        if len(content) == TILE_BYTES:
            shutil.rmtree(path.with_name(f"{path.name}.p"), ignore_errors=True)

    def set_aside(self, name: str) -> None:
        """Move a log that has ended to `closed/<name>`; safe to repeat."""
        closed = self.path / "closed" / name
        closed.mkdir(parents=True, exist_ok=True)
        for part in ("tile", "checkpoint"):
            with suppress(FileNotFoundError):
                (self.path / part).rename(closed / part)

    def _path(self, tile: Tile) -> Path:
        return self.path / "tile" / tile.path


def _write(path: Path, content: bytes) -> None:
    """Write a file beside its place, flush it, and rename it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
