"""`import` of files as Excel writes them: separators, `sep=`, byte order marks, rows of nothing, encodings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from segments.importing.files import ImportFile
from service.ingest.role import ingest
from tests.support.command_line import run
from tests.support.database import rows, until
from tests.support.roles import service

if TYPE_CHECKING:
    from pathlib import Path

    from service.runtime.settings import Settings

TEXT = (
    "user,segment_id,user_status,description\n"
    'jo@x.com,1,add,"two\nlines, ""quoted"""\n'
    ",,,\n"
    "ann,1,block,\n"
    ",,,,,,\n"
    "\n"
    "böb,1,add,why\n"
)
FOUND = [
    (3, {"user": "jo@x.com", "segment_id": 1, "user_status": "add", "description": 'two\nlines, "quoted"'}),
    (5, {"user": "ann", "segment_id": 1, "user_status": "block"}),
    (8, {"user": "böb", "segment_id": 1, "user_status": "add", "description": "why"}),
]  # fmt: skip


def parted(separator: str) -> str:
    return TEXT.replace("lines, ", "lines! ").replace(",", separator).replace("lines! ", "lines, ")


def read(path: Path, text: str | bytes) -> list[tuple[int, Any]]:
    """Write a file and read its lines; from each line on they are the same."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    file = ImportFile(path, None)
    found = list(file.lines(0))
    for line in found:
        assert list(file.lines(line.number)) == [one for one in found if one.number > line.number]
    return [
        (line.number, line.fault if line.value is None else json.loads(line.value))
        for line in found
    ]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("first", ["", "sep={}", '"sep={}"', "SEP={}", "sep={0}{0}{0}{0}"])
def test_the_separator_is_what_a_first_line_says_or_the_heading_shows(
    separator: str, first: str, end: str, mark: bytes, tmp_path: Path
) -> None:
    before = f"{first.format(separator)}\n" if first else ""
    text = (before + parted(separator)).replace("\n", end)
    found = read(tmp_path / "x.csv", mark + text.encode())
    later = 1 if first else 0
    # What is within quotes stays as it stands.
    assert found == [
        (number + later, {name: end.join(str(text).split("\n")) if name == "description" else text
                          for name, text in fields.items()})
        for number, fields in FOUND
    ]  # fmt: skip
    assert ImportFile(tmp_path / "x.csv", "n").fault() is None


def test_a_separator_of_ones_own_may_be_said(tmp_path: Path) -> None:
    assert [fields for _, fields in read(tmp_path / "x.csv", "sep=|\n" + parted("|"))] == [
        fields for _, fields in FOUND
    ]


def test_names_count_without_case_and_spaces_and_the_end_may_be_anything(tmp_path: Path) -> None:
    text = "\n;;;\n User ;Segment ID; USER_STATUS;Description\njo;1;add;;\nann;1;add;\n;;;\n\n\n"
    assert read(tmp_path / "x.csv", text) == [
        (4, "has another number of fields than the heading"),
        (5, {"user": "ann", "segment_id": 1, "user_status": "add"}),
    ]


def test_a_file_of_tabs_may_be_called_so(tmp_path: Path) -> None:
    assert read(tmp_path / "x.TSV", parted("\t")) == FOUND


@pytest.mark.parametrize("name", ["x.csv", "x.ndjson"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named_with_what_to_do(encoding: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(TEXT.encode(encoding))
    fault = ImportFile(path, "n").fault()
    assert fault is not None
    assert fault.startswith("it is UTF-16, not UTF-8: save it as UTF-8 (in Excel: ")
    assert "iconv -f UTF-16" in fault


def test_cp_1252_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    # Also where the letter is the file's last byte, or stands far behind.
    for text in (
        TEXT,
        TEXT + "a,1,add,é",
        "user,segment_id,user_status\n" + "a,1,add\n" * 200_000 + "é,1,add\n",
    ):
        path.write_bytes(text.encode("cp1252"))
        fault = ImportFile(path, "n").fault()
        assert fault is not None
        assert "it seems to be CP-1252: save it as UTF-8 (in Excel: " in fault
        assert "(byte 0x" in fault
    assert "(byte 0xe9 in line 200002)" in str(fault)
    # A broken line among good ones is that line's fault alone.
    path.write_bytes(TEXT.encode() + b"j\xe9,1,add,\n")
    assert ImportFile(path, "n").fault() is None


@pytest.mark.stack
async def test_what_excel_wrote_is_imported_and_what_it_can_not_be_is_told_before_anything_is(
    ready: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbfsep=;\r\n" + parted(";").replace("\n", "\r\n").encode())
    async with service(ready, ingest):
        done = await run(ready, "import", str(path), "--network", "n")
        assert (done.code, done.out) == (0, "3 lines, 3 published, 0 refused\n")
        await until(ready, "SELECT sum(next_offset - first_offset) = 3 FROM segments.lane")
        path.write_bytes(TEXT.encode("cp1252"))
        result = await run(ready, "import", str(path), "--network", "n", "--json")
        assert (result.code, result.out) == (2, "")
        assert "x.csv: it is not UTF-8 (byte 0xf6 in line 8)" in result.err
    users = await rows(ready, "SELECT user_id FROM reporting.event ORDER BY 1")
    assert [row["user_id"] for row in users] == ["ann", "böb", "jo@x.com"]
