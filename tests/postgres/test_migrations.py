"""The numbered migrations as they are read: files, and folders in a stated order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import schemas
from projections.fold.worker import FOLD_FILES
from service.postgres import migrations as module
from service.postgres.migrations import Migration, migrations

if TYPE_CHECKING:
    import pytest

FOLDER = Path(schemas.__file__).parent / "migrations"
_MAKES_THE_FOLD = re.compile(
    r"^(CREATE|ALTER)( OR REPLACE)? (TYPE|FUNCTION|AGGREGATE)"
    r" (segments\.(key_state|fold|fold_step)|projections\.(lapse|folded_key|fold_key|superseded|refold|rewrite))\b",
    re.MULTILINE,
)


def test_each_file_of_a_migration_is_in_its_order_once() -> None:
    for folder in FOLDER.glob("[0-9]*/"):
        lines = (folder / "order.txt").read_text().splitlines()
        listed = [line for line in lines if line and not line.startswith("#")]
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.sql")}
        assert sorted(listed) == sorted(there), folder.name


def test_a_folder_is_one_migration_in_its_order_and_later_files_come_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0001_initial" / "a").mkdir(parents=True)
    (tmp_path / "0001_initial" / "order.txt").write_text("# first\nz.sql\n\na/table.sql\n")
    (tmp_path / "0001_initial" / "z.sql").write_text("SELECT 1;\n")
    (tmp_path / "0001_initial" / "a" / "table.sql").write_text("SELECT 2;\n")
    (tmp_path / "0002_more.sql").write_text("SELECT 3;\n")
    (tmp_path / "README").write_text("no migration")
    monkeypatch.setattr(module, "_folder", lambda: tmp_path)
    assert migrations() == [
        Migration(
            1, "0001_initial",
            "-- 0001_initial/z.sql\nSELECT 1;\n\n-- 0001_initial/a/table.sql\nSELECT 2;\n",
        ),
        Migration(2, "0002_more", "SELECT 3;\n"),
    ]  # fmt: skip


def test_each_file_that_makes_or_changes_the_fold_counts_for_its_digest() -> None:
    making = {
        path.relative_to(FOLDER).as_posix()
        for path in FOLDER.rglob("*.sql")
        if _MAKES_THE_FOLD.search(path.read_text())
    }
    assert making == set(FOLD_FILES)
