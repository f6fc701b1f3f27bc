"""An export that was interrupted goes on, and what a crash lost of it is copied again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from projections.export.journal import FolderError
from service.runtime.errors import WrongUseError
from tests.engines.exported import read_rows
from tests.export.shared import (
    VIEWS,
    Interrupted,
    columns_of,
    equals_the_views,
    export,
    exported,
    fill,
    shown,
)
from tests.projections.folding import fold, log
from tests.support.database import erase, value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from pathlib import Path

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("stop", ["user_segment", "log", "event"])
async def test_an_interrupted_export_goes_on_and_shows_one_snapshot_whatever_happened_meanwhile(
    database: Settings, tmp_path: Path, stop: str
) -> None:
    async with log(database) as (lane,):
        await fill(lane)
        await fold(database)
        before = {table: await shown(database, table) for table in VIEWS}
        token = await value(database, "SELECT reporting.snapshot()")
        with pytest.raises(Interrupted):
            await export(database, tmp_path / "out", stop=stop)
        await fill(lane, 2)
        await fold(database)
    manifest = await export(database, tmp_path / "out")
    if stop == "user_segment":  # before the snapshot's transaction ended: it starts anew
        assert manifest["snapshot"] != token
        await equals_the_views(database, tmp_path / "out")
        return
    assert manifest["snapshot"] == token
    for table in VIEWS:
        assert exported(tmp_path / "out", table, await columns_of(database, table)) == before[table]


@pytest.mark.parametrize("lost", ["the note of the states", "a file of the states", "half a line"])
async def test_what_a_crash_lost_of_an_export_is_copied_again(
    database: Settings, tmp_path: Path, lost: str
) -> None:
    root = tmp_path / "out"
    async with log(database) as (lane,):
        await fill(lane)
        await fold(database)
    with pytest.raises(Interrupted):
        await export(database, root, stop="event")
    notes = (root / "progress.jsonl").read_text().splitlines(keepends=True)
    assert json.loads(notes[2])["unit"] == "states"
    if lost == "a file of the states":
        next(root.glob("user_segment/**/*.parquet")).write_bytes(b"")
    else:
        cut = notes[2][:40] if lost == "half a line" else ""
        (root / "progress.jsonl").write_text("".join([*notes[:2], cut]))
    await export(database, root)
    await equals_the_views(database, root)


@pytest.mark.parametrize("notes", ["", "{}\n", "no JSON", "[]\n"])
async def test_a_folder_that_is_no_interrupted_export_is_not_touched(
    database: Settings, tmp_path: Path, notes: str
) -> None:
    (tmp_path / "progress.jsonl").write_text(notes)
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(WrongUseError, match="is not empty"):
        await export(database, tmp_path)
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("full", [False, True])
async def test_who_is_erased_while_an_export_is_interrupted_is_in_none_of_its_files(
    database: Settings,
    tmp_path: Path,
    full: bool,  # noqa: FBT001 - a case
) -> None:
    async with log(database) as (lane,):
        await lane.append(command_json(user="jo", description="of jo"), b'{"user": "jo"}')
        await fold(database)
        with pytest.raises(Interrupted):
            await export(database, tmp_path / "out", stop="event", full=full)
        number = await erase(database, "jo")
    await export(database, tmp_path / "out", full=full)
    assert [row["user_id"] for row in read_rows(tmp_path / "out" / "event")] == [f"erased:{number}"]
    assert [row["user_id"] for row in read_rows(tmp_path / "out" / "user_segment")] == [
        f"erased:{number}"
    ]
    for table in ("event", "user_segment", "membership_history", *(["personal"] if full else [])):
        assert "jo'" not in repr(read_rows(tmp_path / "out" / table)), table
    await equals_the_views(database, tmp_path / "out")


async def test_a_folder_that_can_not_be_written_is_told_and_the_export_goes_on_later(
    database: Settings, tmp_path: Path
) -> None:
    async with log(database) as (lane,):
        await fill(lane)
        await fold(database)
    with pytest.raises(Interrupted):
        await export(database, tmp_path / "out", stop="log")
    (tmp_path / "out" / "event").touch()  # a file where a folder is to be
    with pytest.raises(FolderError, match=r"the same command goes on where it stopped. \(.*event"):
        await export(database, tmp_path / "out")
    (tmp_path / "out" / "event").unlink()
    await export(database, tmp_path / "out")
    await equals_the_views(database, tmp_path / "out")
    with pytest.raises(Interrupted):
        await export(database, tmp_path / "again", stop="log")
    with pytest.raises(WrongUseError, match="with other options"):
        await export(database, tmp_path / "again", network="n")
