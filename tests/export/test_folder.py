"""The folder of an export: one process writes it, another continues it, and personal files are private."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.engines.exported import read_rows
from tests.export.shared import equals_the_views, export, fill
from tests.projections.folding import fold, log
from tests.support.command_line import run
from tests.support.database import connected, rows
from tests.support.roles import Process, environment
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
_DUPLICATES = '"unit": "duplicate 00000"'
"""The note of the export before it reads holes."""


@pytest.fixture
async def filled(database: Settings) -> AsyncIterator[Settings]:
    async with log(database) as (lane,):
        await fill(lane)
        await fold(database)
        yield database


async def reach_the_holes(settings: Settings, folder: Path, *options: str) -> Process:
    """Start an export, and wait until it stands before a locked table."""
    process = Process(settings, "export", "--to", str(folder), *options)

    async def is_there() -> bool:
        assert process.running, process.output()
        notes = folder / "progress.jsonl"
        return notes.exists() and _DUPLICATES in notes.read_text()

    await holds(is_there)
    return process


async def test_an_export_that_is_killed_goes_on_and_keeps_the_files_that_are_whole(
    filled: Settings, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    async with connected(filled) as connection, connection.transaction():
        await connection.execute("LOCK TABLE segments.hole IN ACCESS EXCLUSIVE MODE")
        (await reach_the_holes(filled, out)).kill()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    assert any("event" in path.parts for path in before)
    done = await run(filled, "export", "--to", str(out))
    assert done.code == 0, done.err
    await equals_the_views(filled, out)
    assert {path: path.stat().st_mtime_ns for path in before} == before


async def test_two_exports_into_one_folder_at_once_are_refused(
    filled: Settings, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    async with connected(filled) as connection, connection.transaction():
        await connection.execute("LOCK TABLE segments.hole IN ACCESS EXCLUSIVE MODE")
        first = await reach_the_holes(filled, out)
        second = await run(filled, "export", "--to", str(out))
    assert (second.code, second.out) == (2, "")
    assert f"Another export into {out} is running" in second.err
    assert (await asyncio.to_thread(first.wait))[0] == 0
    await equals_the_views(filled, out)


async def test_a_full_disk_is_told_in_a_line_and_the_export_goes_on_once_there_is_room(
    filled: Settings, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    # A file of more than 8 blocks can't be written, as on a disk without room.
    command = f'ulimit -f 8; exec {sys.executable} -c "from segments.cli import main; main()" export --to {out}'
    failed = await asyncio.to_thread(
        subprocess.run, ["/bin/sh", "-c", command], env=environment(filled), capture_output=True,
        text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "the same command goes on where it stopped. (" in failed.stderr
    assert "File too large" in failed.stderr
    assert not list(out.rglob("*.unfinished"))
    done = await run(filled, "export", "--to", str(out))
    assert done.code == 0, done.err
    await equals_the_views(filled, out)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_personal_files_are_their_owners_alone_whatever_the_umask(
    filled: Settings, tmp_path: Path, umask: int
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    before = os.umask(umask)
    try:
        await export(filled, out, full=True)
    finally:
        os.umask(before)
    personal = out / "personal"
    files = list(personal.rglob("*.parquet"))
    assert len(files) > 20
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    folders = [personal, *(path for path in personal.iterdir() if path.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}
    assert read_rows(personal / "person") == await rows(
        filled, "SELECT * FROM segments.person ORDER BY 1"
    )
