"""An export has what the views showed with its snapshot, also if it was interrupted, whatever happened meanwhile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from service.runtime.errors import SnapshotError, WrongUseError
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
from tests.support.command_line import run
from tests.support.database import connected, make_segments, rows, value
from tests.support.lane import command_json

if TYPE_CHECKING:
    from pathlib import Path

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
EXTRA = {
    "duplicate": {"network_id"},
    "rejected": {"segment_id", "user_id", "user_status", "status_change_timestamp"},
}
"""What an export tells beside the view's columns."""


async def test_each_table_has_the_rows_and_columns_of_its_view_and_the_manifest_counts_them(
    database: Settings, tmp_path: Path
) -> None:
    async with log(database, segments=[("n", 1), ("n", 2), ("m", 1)]) as (lane,):
        await fill(lane)
        await lane.append(command_json(network_id="m"))
        await fold(database)
    async with connected(database) as connection:
        await connection.execute(
            "INSERT INTO segments.hole (lane_id, first_offset, next_offset, cause, recorded_at)"
            " SELECT lane_id, next_offset - 1, next_offset + 5, 'of the test', now() FROM segments.lane"
        )
    manifest = await export(database, tmp_path / "out")
    await equals_the_views(database, tmp_path / "out")
    assert manifest == json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["snapshot"] == await value(database, "SELECT reporting.snapshot()")
    for table in VIEWS:
        columns = await columns_of(database, table)
        told = manifest["tables"][table]
        assert {one["name"] for one in told["columns"]} == set(columns) | EXTRA.get(table, set())
        assert told["rows"] == len(read_rows(tmp_path / "out" / table)) > 0
        for file in told["files"]:
            schema = pq.read_schema(tmp_path / "out" / file["path"])
            assert [(one.name, str(one.type)) for one in schema] == [
                (c["name"], c["type"]) for c in told["columns"]
            ]
    types = {one["name"]: one["type"] for one in manifest["tables"]["event"]["columns"]}
    assert types["event_id"] == types["metadata"] == "string"
    assert types["segment_id"] == types["kafka_offset"] == "int64"
    assert types["recorded_at"] == "timestamp[us, tz=UTC]"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        [*VIEWS, "manifest.json"]
    )


async def test_files_are_by_network_and_month_and_whole_folders_are_read_as_one_table(
    database: Settings, tmp_path: Path
) -> None:
    async with log(database, segments=[("n", 1), ("7", 1)]) as (lane,):
        await lane.append(command_json(), command_json(network_id="7"), b"unreadable")
        await fold(database)
        month = await value(
            database,
            "SELECT to_char(max(recorded_at) AT TIME ZONE 'UTC', 'YYYY-MM') FROM segments.event",
        )
    await export(database, tmp_path / "out")
    folders = {
        path.parent.relative_to(tmp_path / "out").as_posix()
        for path in (tmp_path / "out").rglob("*.parquet")
    }
    assert folders >= {
        f"event/network=n/month={month}", f"event/network=7/month={month}", "user_segment/network=7",
        f"rejected/network=__HIVE_DEFAULT_PARTITION__/month={month}", "registry/network=n",
    }  # fmt: skip
    table = pq.read_table(tmp_path / "out" / "event")
    assert sorted(table["network_id"].to_pylist()) == ["7", "n"]


async def test_a_second_export_since_the_first_adds_only_what_is_new(
    database: Settings, tmp_path: Path
) -> None:
    async with log(database, lanes=2) as (first, second):
        await fill(first)
        await fold(database)
        token = (await export(database, tmp_path / "one"))["snapshot"]
        await fill(first, 2)
        await second.append(command_json(user="late", status_change_timestamp=1_600_000_000))
        await fold(database)
    manifest = await export(database, tmp_path / "two", since=token)
    assert manifest["since"] == token
    for table in ("event", "duplicate", "rejected", "hole"):
        both = exported(tmp_path / "one", table) + exported(tmp_path / "two", table)
        columns = await columns_of(database, table)
        assert len(both) == len(await shown(database, table))
        assert sorted(
            exported(tmp_path / "one", table, columns) + exported(tmp_path / "two", table, columns)
        ) == await shown(database, table)
    for table in ("user_segment", "membership_history"):
        kept = {
            tuple(row[c] for c in ("segment_id", "user_id")): row
            for row in read_rows(tmp_path / "one" / table)
        }
        new = {
            tuple(row[c] for c in ("segment_id", "user_id"))
            for row in read_rows(tmp_path / "two" / table)
        }
        assert (1, "late") in new
        assert (1, "odd") in kept
        replaced = [
            row
            for row in read_rows(tmp_path / "one" / table)
            if (row["segment_id"], row["user_id"]) not in new
        ]
        assert sorted(map(repr, replaced + read_rows(tmp_path / "two" / table))) == await shown(
            database, table
        )
    with pytest.raises(SnapshotError):
        await export(database, tmp_path / "three", since="s1nonsense")


async def test_an_export_of_one_network_has_nothing_of_another(
    database: Settings, tmp_path: Path
) -> None:
    async with log(database, segments=[("n", 1), ("m", 1)]) as (lane,):
        await lane.append(
            command_json(),
            command_json(user="their", network_id="m"),
            command_json(network_id="m", segment_id=5),
        )
        await fold(database)
        manifest = await export(database, tmp_path / "n", network="n")
        await lane.append(command_json(user="new"))
        await fold(database)
    assert "their" not in repr([exported(tmp_path / "n", table) for table in VIEWS])
    for table in ("event", "registry", "user_segment", "membership_history"):
        assert {row["network_id"] for row in read_rows(tmp_path / "n" / table)} == {"n"}
    assert manifest["tables"]["rejected"]["rows"] == 0
    more = await export(database, tmp_path / "more", network="n", since=manifest["snapshot"])
    assert more["tables"]["event"]["rows"] == 1
    with pytest.raises(WrongUseError, match="is of network n only"):
        await export(database, tmp_path / "all", since=manifest["snapshot"])


async def test_a_full_export_has_every_column_of_the_log_to_its_end_in_files_marked_personal(
    database: Settings, tmp_path: Path
) -> None:
    async with log(database) as (lane,):
        await fill(lane)
        await fold(database)
        await lane.append(command_json(user="not folded"))
    manifest = await export(database, tmp_path / "out", full=True)
    for table in ("event", "duplicate", "rejected", "hole"):
        stored = await rows(database, f"SELECT t.*, t.metadata::text FROM segments.{table} AS t" if table == "event"
            else f"SELECT * FROM segments.{table}")  # fmt: skip
        found = read_rows(tmp_path / "out" / "personal" / table)
        assert sorted(map(repr, found)) == sorted(map(repr, stored)), table
    people = read_rows(tmp_path / "out" / "personal" / "person")
    assert sorted(map(repr, people)) == sorted(
        map(repr, await rows(database, "SELECT * FROM segments.person"))
    )
    (lane_row,) = read_rows(tmp_path / "out" / "personal" / "lane")
    assert (
        lane_row["next_offset"]
        == manifest["lanes"][0]["log_position"]
        == manifest["lanes"][0]["last_position"] + 1
    )
    assert lane_row["recorded_at"] == await value(
        database, "SELECT recorded_at::text FROM segments.lane"
    )
    for name, table in manifest["tables"].items():
        assert {file["personal"] for file in table["files"]} == {name.startswith("personal/")}
    assert not (tmp_path / "out" / "personal" / "api_key").exists()


async def test_the_command_writes_prints_and_is_recorded_and_refuses_what_is_wrong(
    database: Settings, tmp_path: Path
) -> None:
    async with log(database) as (lane,):
        await fill(lane)
        await fold(database)
    out = str(tmp_path / "out")
    done = await run(database, "export", "--to", out, "--json", SEGMENTS_ACTOR="auditor")
    assert done.json["rows"]["event"] == await value(
        database, "SELECT count(*) FROM reporting.event"
    )
    assert done.json["snapshot"] == await value(database, "SELECT reporting.snapshot()")
    reads = await rows(database, "SELECT actor, via, route, network_id FROM reporting.access_event")
    assert reads == [{"actor": "auditor", "via": "command", "route": "export", "network_id": None}]
    printed = await run(database, "export", "--to", str(tmp_path / "n"), "--network", "n")
    assert "\nsnapshot: s1" in printed.out
    unknown = await run(database, "export", "--to", str(tmp_path / "x"), "--network", "unknown")
    assert (unknown.code, "is it misspelt?" in unknown.err) == (0, True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    for arguments, code, message in [
        (("--to", out), 2, "holds a finished export; choose another folder"),
        (("--to", str(tmp_path / "other")), 2, "is not empty"),
        (
            ("--to", str(tmp_path / "f"), "--full", "--network", "n"),
            2,
            "a restore needs the whole log",
        ),
        (("--to", str(tmp_path / "s"), "--since", "s1"), 1, "The snapshot can't be used"),
    ]:
        refused = await run(database, "export", *arguments)
        assert (refused.code, refused.out) == (code, "")
        assert message in refused.err


async def test_registry_changes_are_those_of_the_snapshot(
    database: Settings, tmp_path: Path
) -> None:
    async with log(database) as (lane,):
        await lane.append(command_json())
        await fold(database)
        with pytest.raises(Interrupted):
            await export(database, tmp_path / "out", stop="log")
        await make_segments(database, [("later", 1)])
    await export(database, tmp_path / "out")
    assert {row["network_id"] for row in read_rows(tmp_path / "out" / "registry")} == {"n"}
