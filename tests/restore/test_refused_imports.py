"""An import loads all of a log or nothing, and names what is wrong before it loads anything."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from projections.restore.restore import load_log
from tests.export.shared import Interrupted, Silent, fill
from tests.projections.folding import fold, log
from tests.restore.lives import exported, run_well, tables
from tests.support.command_line import run
from tests.support.database import connected, make_segments, until, value
from tests.support.roles import Process

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
_WAITING = (
    "SELECT count(*) FROM pg_locks WHERE relation = 'segments.hole'::regclass AND NOT granted"
)


@pytest.fixture
async def folder(database: Settings, tmp_path: Path) -> Path:
    async with log(database) as (lane,):
        await fill(lane)
        await fold(database)
    return await exported(database, tmp_path / "export")


async def refused(settings: Settings, folder: Path) -> str:
    """Import; return the message of the refusal, which left the database as it was."""
    before = await tables(settings)
    done = await run(settings, "import-log", str(folder))
    assert (done.code, done.out) == (1, "")
    assert done.err.count("\n") == 1
    assert await tables(settings) == before
    return done.err


def change(folder: Path, how: Callable[[dict[str, Any]], None]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    how(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


async def test_a_dry_run_checks_everything_tells_what_it_would_load_and_loads_nothing(
    second: Settings, folder: Path
) -> None:
    before = await tables(second)
    done = await run(second, "import-log", "--dry-run", "--json", str(folder))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert done.json["rows"]["event"] == manifest["tables"]["personal/event"]["rows"] > 0
    assert done.json["dry_run"] is True
    printed = await run_well(second, "import-log", "--dry-run", str(folder))
    assert f"event: {done.json['rows']['event']} rows\n" in printed
    assert printed.endswith("dry run: nothing was loaded\n")
    assert await tables(second) == before


@pytest.mark.parametrize("table", ["personal/person", "user_segment"])
async def test_a_changed_file_is_named_whether_or_not_it_would_be_loaded(
    second: Settings, folder: Path, table: str
) -> None:
    file = next((folder / table).rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert f"{file} is not as it was written" in await refused(second, folder)
    file.unlink()
    assert f"{file}: No such file" in await refused(second, folder)


async def test_an_export_that_lacks_something_or_is_of_another_version_is_refused(
    database: Settings, second: Settings, folder: Path, tmp_path: Path
) -> None:
    await run_well(database, "export", "--to", str(tmp_path / "views"))
    assert "was made without --full" in await refused(second, tmp_path / "views")
    (tmp_path / "unfinished").mkdir()
    assert "is missing: no export, or not finished" in await refused(
        second, tmp_path / "unfinished"
    )
    change(folder, lambda manifest: manifest.update(format=2))
    assert "is not of format 1" in await refused(second, folder)
    change(folder, lambda manifest: manifest.update(format=1, schema=7))
    assert "has tables of migration 7, by Segments 0.1.0" in await refused(second, folder)
    change(folder, lambda manifest: manifest.update(schema=1))
    change(folder, lambda manifest: manifest["tables"]["personal/person"]["columns"].pop())
    assert "Table person of the export has other columns" in await refused(second, folder)
    change(folder, lambda manifest: manifest["tables"].pop("personal/person"))
    assert "has no person" in await refused(second, folder)


async def test_a_database_that_was_used_is_refused(second: Settings, folder: Path) -> None:
    await make_segments(second)
    assert "not empty: it has rows of network, segment, registry_event" in await refused(
        second, folder
    )


async def test_a_log_with_a_gap_is_refused_although_its_files_are_those_of_the_manifest(
    second: Settings, folder: Path
) -> None:
    def forge(manifest: dict[str, Any]) -> None:
        table = manifest["tables"]["personal/event"]
        (file,) = table["files"]
        rows = pq.read_table(folder / file["path"])
        pq.write_table(rows.slice(1), folder / file["path"])
        file["sha256"] = hashlib.sha256((folder / file["path"]).read_bytes()).hexdigest()
        table["rows"] -= 1

    change(folder, forge)
    assert "The log of the export has a fault: lane" in await refused(second, folder)


async def test_an_import_that_fails_half_way_leaves_nothing_and_can_be_repeated(
    second: Settings, folder: Path
) -> None:
    before = await tables(second)
    with pytest.raises(Interrupted):
        await load_log(second, folder, Silent("rejected"))
    assert await tables(second) == before
    await run_well(second, "import-log", str(folder))
    assert "not empty" in await refused(second, folder)


async def test_an_import_that_is_killed_half_way_leaves_nothing_and_can_be_repeated(
    second: Settings, folder: Path
) -> None:
    before = await tables(second)
    async with connected(second) as connection, connection.transaction():
        await connection.execute("LOCK TABLE segments.hole IN SHARE ROW EXCLUSIVE MODE")
        process = Process(second, "import-log", str(folder))
        await until(second, _WAITING)
        process.kill()
    await until(
        second,
        "SELECT count(*) FROM pg_locks WHERE relation = 'segments.event'::regclass",
        lambda n: not n,
    )
    assert await tables(second) == before
    assert await value(second, "SELECT nextval('segments.person_person_id_seq')") == 1
    await run_well(second, "import-log", str(folder))


async def test_two_imports_at_once_load_one_log(second: Settings, folder: Path) -> None:
    both = [Process(second, "import-log", str(folder), "--json") for _ in range(2)]
    done = await asyncio.gather(*(asyncio.to_thread(one.wait) for one in both))
    assert sorted(code for code, _ in done) == [0, 1]
    (failed,) = (output for code, output in done if code)
    assert "not empty" in failed or "Another session writes the log" in failed
