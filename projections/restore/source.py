"""A full export, checked before anything of it is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from projections.export.manifest import ManifestError, checked_file, read_manifest
from projections.export.tables import BASE, BASE_LOG
from service.postgres.migrations import migrations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# BASE stands in the order in which its tables refer to each other.
TABLES = tuple(table.name.removeprefix("personal/") for table in (*BASE, *BASE_LOG))


class Part(NamedTuple):
    """What an export has of a table of schema `segments`. columns: name and type in Arrow."""

    columns: dict[str, str]
    rows: int
    paths: list[Path]


class FullExport(NamedTuple):
    """The parts of a full export, in the order in which they are loaded."""

    manifest: dict[str, Any]
    parts: dict[str, Part]

    @property
    def rows(self) -> int:
        """The number of rows to load."""
        return sum(part.rows for part in self.parts.values())


def read_full_export(root: Path) -> FullExport:
    """Read the manifest of a full export; its files are checked by `check_files`. Raises: ManifestError."""
    manifest = read_manifest(root)
    if not manifest.get("full"):
        raise ManifestError(f"({root} was made without --full, and has not what an import needs.)")
    ours = migrations()[-1].number
    made_by = manifest.get("schema", "before 0.1.0")
    if made_by != ours:
        raise ManifestError(
            f"({root} has tables of migration {made_by}, by Segments {manifest['service_version']}, and this"
            f" program has those of {ours}. Import it with that version, then update.)"
        )
    tables = manifest["tables"]
    if missing := [name for name in TABLES if f"personal/{name}" not in tables]:
        raise ManifestError(f"({root} has no {', '.join(missing)}.)")
    parts = {}
    for name in TABLES:
        table = tables[f"personal/{name}"]
        columns = {column["name"]: column["type"] for column in table["columns"]}
        parts[name] = Part(columns, table["rows"], [root / one["path"] for one in table["files"]])
    return FullExport(manifest, parts)


def check_files(root: Path, manifest: dict[str, Any]) -> Iterator[int]:
    """Compare every file with its digest, those of the views too; yield the rows of each. Raises: ManifestError."""
    for table in manifest["tables"].values():
        for file in table["files"]:
            checked_file(root, file)
            yield file["rows"]
