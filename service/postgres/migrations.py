"""The SQL that `setup` runs: the roles and the numbered migrations."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


@dataclass(frozen=True, slots=True)
class Migration:
    """A numbered file of SQL, or a numbered folder of such files as one text."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """Read `schemas/migrations`, in order: files `NNNN_name.sql`, and folders `NNNN_name` with an `order.txt`."""
    entries = {entry.name: entry for entry in _folder().iterdir() if entry.name[:4].isdigit()}
    return [
        Migration(int(name[:4]), name.removesuffix(".sql"), _sql(entry))
        for name, entry in sorted(entries.items())
    ]


def migration_file(path: str) -> str:
    """Read one file by its path below `schemas/migrations`."""
    return _folder().joinpath(*path.split("/")).read_text("utf-8")


def _folder() -> Traversable:
    return resources.files("schemas") / "migrations"


def _sql(entry: Traversable) -> str:
    if entry.is_file():
        return entry.read_text("utf-8")
    lines = (entry / "order.txt").read_text("utf-8").splitlines()
    paths = [f"{entry.name}/{line}" for line in lines if line and not line.startswith("#")]
    return "\n".join(f"-- {path}\n{migration_file(path)}" for path in paths)


def setup_sql(name: str) -> str:
    """Read a statement of `setup` that is not a migration: a file of `schemas/setup`, without its suffix."""
    return (resources.files("schemas") / "setup" / f"{name}.sql").read_text("utf-8")
