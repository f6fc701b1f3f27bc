"""The manifest of an export, as those read it who have no Postgres."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from projections.export.journal import FORMAT, MANIFEST
from service.runtime.errors import SegmentsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

REGISTRY = "registry"


class ManifestError(SegmentsError):
    """The export can't be read."""


class Source(NamedTuple):
    """One export, or a first one and its increments. snapshot: of the last; files: by table, absolute."""

    snapshot: str
    files: dict[str, list[str]]


def read_source(roots: Sequence[Path]) -> Source:
    """Read exports, each but the first since the one before, and compare each file with its digest.

    Raises: ManifestError.
    """
    snapshot: str | None = None
    first: dict[str, Any] | None = None
    files: dict[str, list[str]] = {}
    for root in roots:
        manifest = read_manifest(root)
        first = first or manifest
        if manifest.get("networks") != first.get("networks"):
            raise ManifestError(f"({root} is of other networks than {roots[0]}.)")
        if manifest.get("erasures") != first.get("erasures"):
            raise ManifestError(
                f"({root}: people were erased after {roots[0]}, which still names them. Delete it, and export anew.)"
            )
        if manifest["since"] != snapshot:
            after = "the whole log" if snapshot is None else f"snapshot {snapshot}"
            raise ManifestError(
                f"({root} begins after snapshot {manifest['since']}, not with {after}.)"
                if manifest["since"]
                else f"({root} is a whole export; the others would be counted twice.)"
            )
        snapshot = manifest["snapshot"]
        for name, table in manifest["tables"].items():
            if name == REGISTRY:
                files.pop(name, None)  # each export has all of it
            files.setdefault(name, []).extend(checked_file(root, file) for file in table["files"])
    if snapshot is None:
        raise ManifestError("(There is none.)")
    return Source(snapshot, files)


def read_manifest(root: Path) -> dict[str, Any]:
    """Read the manifest of one export. Raises: ManifestError."""
    path = root / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ManifestError(f"({path} is missing: no export, or not finished.)") from error
    except (OSError, ValueError) as error:
        raise ManifestError(f"({path}: {error})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ManifestError(f"({path} is not of format {FORMAT}.)")
    return manifest


def checked_file(root: Path, file: dict[str, Any]) -> str:
    """Compare a file with its digest; return its absolute path. Raises: ManifestError."""
    path = root / file["path"]
    try:
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise ManifestError(f"({path}: {error.strerror})") from error
    if digest != file["sha256"]:
        raise ManifestError(f"({path} is not as it was written.)")
    return str(path.resolve())
