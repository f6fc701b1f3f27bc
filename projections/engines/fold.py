"""The fold of an export by an engine, into a folder of Parquet: the views as they were at the export's snapshot."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, Protocol

from projections.export.manifest import read_source
from service.postgres.database import statements
from service.runtime.errors import SegmentsError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SQL = statements("projections.engines.sql")
TABLES = ("event", "duplicate", "rejected", "registry")
"""What the statements read."""
STEP = "step"
VIEWS = ("membership", "override", "membership_history", "result")
MANIFEST = "manifest.json"
_WORK = ".unfinished"


class EngineError(SegmentsError):
    """The engine failed."""


class Engine(Protocol):
    """Runs statements over Parquet."""

    def read(self, name: str, files: Sequence[str]) -> None:
        """Let statements read files as a table."""

    def write(self, statement: str, folder: str) -> int:
        """Write the rows of a statement as Parquet files into a folder; return their number."""

    def close(self) -> None:
        """Release what the engine holds."""


def fold_export(
    roots: Sequence[Path],
    target: Path,
    start: Callable[[Path], Engine],
    *,
    name: str,
    report: Callable[[str], None] = lambda _view: None,
) -> dict[str, Any]:
    """Fold an export, and its increments, into an empty or new folder; return its manifest.

    start: starts the engine, with a folder for what it needs meanwhile. report: is told the name of what is next.

    Raises: WrongUseError if the folder is not empty; ManifestError; EngineError.
    """
    if target.exists() and any(target.iterdir()):
        raise WrongUseError(f"({target} is not empty.)")
    source = read_source(roots)
    work = target / _WORK
    work.mkdir(parents=True)
    engine = start(work)
    try:
        for table in TABLES:
            engine.read(table, source.files[table])
        report(STEP)
        engine.write(SQL[STEP], str(work / STEP))
        engine.read(STEP, [str(work / STEP / "*.parquet")])
        rows = {}
        for view in VIEWS:
            report(view)
            rows[view] = engine.write(SQL[view], str(target / view))
    finally:
        engine.close()
        shutil.rmtree(work, ignore_errors=True)
    manifest = {"snapshot": source.snapshot, "engine": name, "rows": rows}
    (target / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
    return manifest
