"""`import`: nothing is lost, nothing counted twice, numbers keep their digits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from segments.importing.files import ImportFile
from service.ingest.role import ingest
from tests.support.command_line import import_line, run
from tests.support.database import rows, until, value
from tests.support.roles import service

if TYPE_CHECKING:
    from pathlib import Path

    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
CSV = """\
network_id,user,segment_id,user_status,reference_id,status_change_timestamp,expires_at,description,metadata
n,Ann@x,1,add,r1,1700000000,,"two
lines, one field","{""price"": 1.10}"
n,bob,1,enter,,,,,
n,cid,1,leave,,1700000000,,,
n,dan,one,add,,,,,
n,eve,1,vanish,,,,,
n,fay,1,add,,1_700_000_000,,,
n,gil,1
,hal,1,add,,,,,
n,ida,1,add,,,,,{not json
"""
NDJSON = b"""\
{"user": "ann", "segment_id": 1, "user_status": "add", "metadata": {"price": 1.10, "big": 12345678901234567890.5}}
{"network_id": "n", "user": "bob", "segment_id": 1, "user_status": "leave"}

[1, 2]
{"user": "cid", "segment_id": 1, "user_status": "add", "extra": 1}
{"user": "d\xe9", "segment_id": 1, "user_status": "add"}
{"user": "eve", "segment_id": 1, "user_status": "add"
{}
"""


async def test_import_of_csv_publishes_good_lines_and_tells_the_others_by_number(
    ready: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "commands.csv"
    # As a spreadsheet saves it, byte order mark and all; and one line that is not UTF-8.
    path.write_bytes(b"\xef\xbb\xbf" + CSV.encode() + b"n,j\xe9,1,add,,,,,\n")
    done = await run(ready, "import", str(path), "--json")
    assert done.code == 1
    assert {key: done.json[key] for key in ("lines", "published", "refused")} == {
        "lines": 10, "published": 3, "refused": 7,
    }  # fmt: skip
    errors = {row["line"]: row["error"] for row in done.json["errors"]}
    assert list(errors) == [6, 7, 8, 9, 10, 11, 12]
    assert "segment_id" in errors[6]
    assert "user_status" in errors[7]
    assert "status_change_timestamp" in errors[8]
    assert "number of fields" in errors[9]
    assert "network_id" in errors[10]
    assert errors[11] == (
        "metadata is not JSON: Expecting property name enclosed in double quotes at character 2"
    )
    assert "UTF-8" in errors[12]
    assert "7 lines" in done.err
    async with service(ready, ingest):
        await until(ready, "SELECT sum(next_offset - first_offset) = 3 FROM segments.lane")
        named = await run(ready, "import", str(path), "--network", "n")
        # For other lines' network it is another import; the same lines are the same commands, where time is given.
        assert "line 6: " in named.err
        assert "10 lines, 4 published, 6 refused" in named.out
        await until(ready, "SELECT sum(next_offset - first_offset) = 7 FROM segments.lane")
    events = await rows(
        ready,
        "SELECT user_id, user_status, reference_id, metadata::text, source FROM reporting.event"
        " WHERE user_id = 'ann@x'",
    )
    assert [tuple(row.values()) for row in events] == [
        ("ann@x", "add", "r1", '{"price": 1.10}', "import")
    ]


async def test_import_of_ndjson_keeps_the_text_of_each_line_and_a_second_import_counts_nothing(
    ready: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "commands.ndjson"
    path.write_bytes(NDJSON)
    dry = await run(ready, "import", str(path), "--network", "n", "--dry-run", "--json")
    assert (dry.code, dry.json["published"], dry.json["refused"]) == (1, 0, 5)
    async with service(ready, ingest):
        done = await run(ready, "import", str(path), "--network", "n", "--json")
        assert {key: done.json[key] for key in ("lines", "published", "refused")} == {
            "lines": 7, "published": 2, "refused": 5,
        }  # fmt: skip
        errors = {row["line"]: row["error"] for row in done.json["errors"]}
        assert list(errors) == [4, 5, 6, 7, 8]
        assert errors[6] == "not JSON: not UTF-8"
        assert errors[7] == "not JSON: Expecting ',' delimiter at character 54"
        assert "/extra: is not a field of a command" in errors[5]
        again = await run(ready, "import", str(path), "--network", "n", "--json")
        assert (again.json["published"], again.json["published_before_interruption"]) == (2, 0)
        await until(ready, "SELECT sum(next_offset) = 4 FROM segments.lane")
    assert await value(ready, "SELECT sum(events) FROM segments.lane") == 2
    assert await value(ready, "SELECT sum(duplicates) FROM segments.lane") == 2
    metadata = await value(
        ready, "SELECT metadata::text FROM reporting.event WHERE user_id = 'ann'"
    )
    assert metadata == '{"big": 12345678901234567890.5, "price": 1.10}'


COLUMNS = "user,segment_id,user_status"


@pytest.mark.parametrize(
    ("heading", "options", "message"),
    [
        (COLUMNS.replace(",", ";"), [], "it has no network: add --network, or a column network_id."),
        ("user\tuser_status", ["--network", "n"], "its heading lacks segment_id."),
        (f"{COLUMNS},User ", ["--network", "n"], "its heading has duplicate names: 'user'."),
        (f"{COLUMNS},refrence,at", ["--network", "n"], "has names that are not fields of a command: 'refrence', 'at'."),
        ("user,user_status", ["--network", "n"], "its heading lacks segment_id."),
        (COLUMNS, [], "it has no network: add --network, or a column network_id."),
        (COLUMNS, ["--network", "a b"], "'--network': must be"),
        ('"' + "x" * 200_000, [], "the heading can't be read"),
        ("us\udce9r", ["--network", "n"], "not fields of a command: 'us\\udce9r'"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dry", [["--dry-run"], ["--json"]])
async def test_a_heading_that_makes_every_line_wrong_is_told_once_and_nothing_is_read(
    heading: str, options: list[str], message: str, dry: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(heading + "\nu,1,add\n" * 3, encoding="utf-8", errors="surrogateescape")
    # Neither Kafka nor Postgres is there to be asked.
    away = {
        "SEGMENTS_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "SEGMENTS_DATABASE_URL": "postgresql://u@127.0.0.1:1/d",
    }
    result = await run(None, "import", str(path), *options, *dry, **away)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert "line 2" not in result.err


def test_a_column_without_a_name_may_stand_in_a_heading(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"{COLUMNS},\nu,1,add,\n", encoding="utf-8")
    assert ImportFile(path, "n").fault() is None
    (line,) = ImportFile(path, "n").lines(0)
    assert line.value is not None


async def test_a_file_that_was_mended_counts_good_lines_again_but_for_those_with_a_time(
    ready: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "x.ndjson"
    good = import_line("ann") + import_line("ben", status_change_timestamp=1700000000)
    path.write_text(good + import_line("cid", extra=1), encoding="utf-8")
    done = await run(ready, "import", str(path), "--network", "n")
    assert (done.code, done.out) == (1, "3 lines, 2 published, 1 refused\n")
    assert "Error: 1 line was refused. Correct it in a separate file and import that" in done.err
    assert "Lines that were imported before are published again, as duplicates" in done.err
    assert "100%" in done.err
    path.write_text(good + import_line("cid"), encoding="utf-8")
    async with service(ready, ingest):
        assert (await run(ready, "import", str(path), "--network", "n")).code == 0
        await until(ready, "SELECT sum(next_offset - first_offset) = 5 FROM segments.lane")
    events = await rows(ready, "SELECT user_id FROM reporting.event ORDER BY user_id")
    assert [row["user_id"] for row in events] == ["ann", "ann", "ben", "cid"]


@pytest.mark.parametrize("ending", ["csv", "ndjson"])
def test_the_last_line_of_a_file_ends_where_the_file_does(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{ending}"
    path.write_text(
        'network_id,user,description\nn,ann,"a ""b"",\nc"\nn,ben,\n'
        if ending == "csv"
        else import_line("ann") * 3,
        encoding="utf-8",
    )
    file = ImportFile(path, None)
    *_, last = file.lines(0)
    assert last.end == file.size


@pytest.mark.parametrize(
    "text",
    [
        '{"user": "u", "segment_id": 1}',
        '  {"user": "u"}  ',
        "{}",
        "{ }",
        '{"a": {"network_id": "other"}}',
    ],
)
def test_a_network_said_for_a_line_leaves_its_text_as_it_stands(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.ndjson"
    path.write_text(text + "\n", encoding="utf-8")
    (line,) = ImportFile(path, 'n"').lines(0)
    assert line.value is not None
    assert json.loads(line.value) == {"network_id": 'n"', **json.loads(text)}
    assert line.value.endswith(text.strip()[1:].encode())


def test_a_field_too_long_for_csv_is_told_by_line_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"network_id,user\nn,{'x' * 200_000}\nn,u\n", encoding="utf-8")
    found: list[Any] = list(ImportFile(path, None).lines(0))
    assert [(line.number, line.value is None) for line in found] == [(2, True), (3, False)]
    assert "field" in found[0].fault
