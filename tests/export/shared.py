"""Exports a database into a folder, and reads both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from projections.export.exporter import Exporter, Request
from projections.export.journal import Folder
from segments.cli.database import connected as connect
from tests.engines.exported import read_rows
from tests.projections.folding import commands
from tests.support.database import rows
from tests.support.lane import command_json

if TYPE_CHECKING:
    from pathlib import Path

    from service.runtime.settings import Settings
    from tests.support.lane import LogLane

ROLE = "segments_operate"
VIEWS = {
    "event": "event", "duplicate": "duplicate", "rejected": "rejected", "hole": "hole", "registry": "segment_history",
    "membership_history": "membership_history", "user_segment": "user_segment",
}  # fmt: skip
"""Table of an export → its view."""


class Interrupted(Exception):  # noqa: N818 - what a test does
    """The test interrupts the export."""


class Silent:
    """Is told the progress; interrupts the export at the table `stop`."""

    def __init__(self, stop: str | None = None) -> None:
        self.stop = stop
        self.expected = 0

    def expect(self, rows: int) -> None:
        self.expected = rows
        if self.stop == "log":
            raise Interrupted

    def advance(self, table: str, _rows: int) -> None:
        if table == self.stop:
            raise Interrupted


async def export(
    settings: Settings, root: Path, stop: str | None = None, **request: Any
) -> dict[str, Any]:
    """Export; return the manifest."""
    wanted = Request(**request)
    with Folder(root, {"request": repr(wanted)}) as folder:
        exporter = Exporter(
            lambda isolation: connect(settings, ROLE, isolation), folder, wanted, Silent(stop)
        )
        return await exporter.run()


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Give a row of a view as an export has it."""
    made: dict[str, Any] = {
        name: str(value) if isinstance(value, UUID) else value for name, value in row.items()
    }
    if made.get("duration") is not None:
        made["duration"] = round(made["duration"].total_seconds() * 1_000_000)
    return made


async def shown(settings: Settings, table: str) -> list[str]:
    """The rows of a table's view, sorted."""
    return sorted(
        repr(plain(row)) for row in await rows(settings, f"SELECT * FROM reporting.{VIEWS[table]}")
    )


def exported(root: Path, table: str, columns: list[str] | None = None) -> list[str]:
    """The rows of a table of an export, sorted; only the columns given."""
    found = read_rows(root / table)
    return sorted(
        repr(row if columns is None else {name: row[name] for name in columns}) for row in found
    )


ODD = 'quoted "and, split"\nover \\lines\\N\t'


async def fill(lane: LogLane, seed: int = 1) -> None:
    """Append of everything: events, repeats, refused records with any bytes, a hole."""
    given = commands(seed, 40)
    await lane.append(
        *given, given[0], given[1], b"\x00\xff", b"", None, command_json(segment_id=9),
        command_json(user="odd", description=ODD, metadata={"a": [1, {"b": None}], "c": ODD}),
        command_json(user="Upper@X", description="NULL", expires_at=1_900_000_000, reference_id=f"x{seed}"),
    )  # fmt: skip


async def columns_of(settings: Settings, table: str) -> list[str]:
    found = await rows(
        settings,
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'reporting' AND table_name = $1"
        " ORDER BY ordinal_position",
        VIEWS[table],
    )
    return [row["column_name"] for row in found]


async def equals_the_views(settings: Settings, root: Path) -> None:
    for table in VIEWS:
        columns = await columns_of(settings, table)
        assert exported(root, table, columns) == await shown(settings, table), table
