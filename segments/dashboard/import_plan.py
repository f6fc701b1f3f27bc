"""What an imported file would do: every line read and checked as the API does, then predicted by a dry run."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from projections.dry_run.dry_run import dry_runs
from projections.dry_run.settle import DryCommand
from projections.queries.rows import find_segment
from projections.queries.segments import read_overrides
from schemas.command.strict_reader import FIELDS
from schemas.topics import Topics
from segments.importing.files import ImportFile
from service.http.publishing.body import Item

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from segments.dashboard.visit import Services
    from segments.importing.files import Line
    from service.http.publishing.routes import Post
    from service.registry.imports import Import

# A longer file is for `segments import`.
MOST_LINES = 10_000
# Columns that may be matched: a form has at most `forms.MAX_FIELDS`.
MOST_MATCHED = 40
# Standing overrides of a segment that may be replaced at once.
MOST_STANDING = 50_000
SHOWN_ERRORS = 200
# Commands that are predicted before others are served, and the time that all may take.
AT_ONCE = 100
SECONDS = 60.0
# A greater part of the standing overrides than this is reset or changed only once somebody has confirmed it.
GUARDED_PART = 0.1
ERASED = re.compile(r"erased:[0-9]+")
_GONE = "Not in the imported list"


class Plan(NamedTuple):
    """What to keep of an import: how the file is read, what it would do, and the file that takes its place, if any."""

    options: dict[str, Any]
    summary: dict[str, Any]
    content: bytes | None = None


class _Checked:
    """The lines of a file. good: those that can be sent. errors: of the others."""

    def __init__(self) -> None:
        self.good: list[Item] = []
        self.errors: list[dict[str, Any]] = []

    def refuse(self, line: int | None, error: str) -> None:
        self.errors.append({"line": line, "error": storable(error)})


def storable(text: str) -> str:
    """Return a text that Postgres can store and a page show."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


@contextmanager
def _opened(content: bytes, network_id: str, options: Mapping[str, Any]) -> Iterator[ImportFile]:
    """Give an import's file while the block runs."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / ("lines.csv" if options["is_table"] else "lines.ndjson")
        path.write_bytes(content)
        yield ImportFile(path, network_id, options["columns"], options["defaults"])


class Heading(NamedTuple):
    """What a table has. known: fields; unmatched: other names; needed: fields that every line needs and it lacks."""

    known: list[str]
    unmatched: list[str]
    needed: list[str]


NEEDED = {
    "user": "say which column has the user",
    "segment_id": "choose a segment, or say which column has its id",
    "user_status": "choose a command, or say which column has it",
}


def read_heading(content: bytes, network_id: str, options: Mapping[str, Any]) -> Heading:
    """Read the heading of a table. Nothing is asked about a file that can't be read, or has too many names."""
    if not options["is_table"]:
        return Heading([], [], [])
    with _opened(content, network_id, options) as source:
        heading = source.table().heading
    if storable(text := "".join(heading)) != text:  # not UTF-8, which is told of the whole file
        return Heading([], [], [])
    names = dict.fromkeys(filter(None, heading))
    known = [name for name in names if name in FIELDS]
    unmatched = [name for name in names if name not in FIELDS]
    needed = lacking({*known, *options["defaults"]})
    if not names or len(unmatched) > MOST_MATCHED:
        return Heading(known, [], [])
    return Heading(known, unmatched, needed)


def lacking(fields: Collection[str]) -> list[str]:
    """Return the fields that every line needs and these lack."""
    return [name for name in NEEDED if name not in fields]


def read_lines(one: Import, after: int, most: int) -> list[tuple[str, Line]]:
    """Return up to `most` lines after a number, with their idempotency keys.

    The same file counts once, and a plan to replace once for each import.
    """
    with _opened(one.content, one.network_id, one.options) as source:
        is_planned = one.options["is_planned"]
        return [
            (
                f"import:{one.import_id}:{line.number}" if is_planned else source.key(line.number),
                line,
            )
            for line in islice(source.lines(after), most)
        ]


def _fault(one: Import) -> str | None:
    with _opened(one.content, one.network_id, one.options) as source:
        return source.fault()


async def judge(services: Services, post: Post, one: Import) -> Plan:
    """Read, check and predict every line; nothing is published. Raises: Problem, DatabaseAwayError."""
    checked = _Checked()
    if fault := await asyncio.to_thread(_fault, one):
        return _failed(one, fault)
    # Each line of an import may need two commands to undo it; a replacement has more commands than its file has lines.
    most = 2 * (MOST_LINES + MOST_STANDING) if one.options["mode"] == "undo" else MOST_LINES
    lines = await asyncio.to_thread(read_lines, one, 0, most + 1)
    if len(lines) > most:
        return _failed(one, f"it has more than {most:,} lines: `segments import` takes it")
    await _check(services, post, checked, lines)
    if one.options["mode"] == "replace" and not one.options["is_planned"]:
        return await _replacing(services, post, one, checked, len(lines))
    summary = {
        "lines": len(lines),
        "last_line": lines[-1][1].number if lines else 0,
        "replaced": one.options.get("replaced"),
        "undone": one.options.get("undone"),
        **await _predict(services, one, checked),
    }
    return Plan(one.options, summary)


def _failed(one: Import, fault: str) -> Plan:
    return Plan(
        one.options, {"lines": 0, "fault": fault, "outcomes": {}, "errors": [], "refused": 0}
    )


async def _check(
    services: Services, post: Post, checked: _Checked, lines: list[tuple[str, Line]]
) -> None:
    items = []
    for key, line in lines:
        if line.value is None:
            checked.refuse(line.number, line.fault)
        else:
            items.append(Item(line.value, key, line.number))
    await services.publishing.check(post, items)
    for item in items:
        if item.problem is None:
            checked.good.append(item)
        else:
            checked.refuse(item.line, item.problem.detail)


async def _predict(services: Services, one: Import, checked: _Checked) -> dict[str, Any]:
    """Predict the good lines in their order."""
    outcomes: Counter[str] = Counter()
    topic = Topics(services.settings.topic_prefix).commands
    async with (
        services.reading.transaction(
            one.network_id, repeatable=True, seconds=SECONDS
        ) as connection,
        dry_runs(connection, topic) as run,
    ):
        for start in range(0, len(checked.good), AT_ONCE):
            block = checked.good[start : start + AT_ONCE]
            commands = [DryCommand(item.command, item.idempotency_key) for item in block]
            for item, verdict in zip(block, await run.predict(commands), strict=True):
                outcomes[verdict.outcome] += 1
                if verdict.reason is not None:
                    checked.refuse(item.line, f"{verdict.reason}: {verdict.detail}")
            await asyncio.sleep(0)
    errors = sorted(checked.errors, key=lambda error: error["line"] or 0)
    return {"outcomes": dict(outcomes), "refused": len(errors), "errors": errors[:SHOWN_ERRORS]}


async def _replacing(
    services: Services, post: Post, one: Import, checked: _Checked, lines: int
) -> Plan:
    """Compare the list with the standing overrides; the commands that make them equal take the place of the file."""
    segment_id = one.options["segment_id"]
    wanted: dict[str, Item] = {}
    for item in checked.good:
        command = item.command
        if command.segment_id != segment_id:
            checked.refuse(item.line, f"is of segment {command.segment_id}, not of {segment_id}")
        elif command.user_status.text not in ("add", "block"):
            checked.refuse(item.line, "a list of overrides has add and block only")
        elif command.user in wanted:
            checked.refuse(item.line, "names a user of an earlier line once more")
        else:
            wanted[command.user] = item
    if checked.errors:  # whoever stands in a line that can't be read would be reset
        errors = checked.errors[:SHOWN_ERRORS]
        summary = {"lines": lines, "outcomes": {}, "refused": len(checked.errors), "errors": errors}
        return Plan(one.options, summary)
    standing = await _standing(services, one.network_id, segment_id)
    if standing is None:
        return _failed(one, f"the segment has more than {MOST_STANDING:,} overrides")
    missing = [
        item
        for user, item in wanted.items()
        if standing.get(user) != (item.command.user_status.text, item.command.expires_at)
    ]
    gone = [user for user in standing if user not in wanted and not ERASED.fullmatch(user)]
    altered = sum(item.command.user in standing for item in missing)
    replaced = {
        "added": len(missing) - altered,
        "altered": altered,
        "reset": len(gone),
        "kept": len(wanted) - len(missing),
        "standing": len(standing),
        "is_guarded": len(gone) + altered > GUARDED_PART * len(standing),
    }
    values = [b" ".join(item.value.splitlines()) for item in missing]
    values += [_reset(user, segment_id) for user in gone]
    content = b"".join(value + b"\n" for value in values)
    options = one.options | {
        "is_planned": True, "is_table": False, "columns": {}, "defaults": {}, "replaced": replaced,
    }  # fmt: skip
    checked.good = [
        Item(value, f"import:{one.import_id}:{number}", number)
        for number, value in enumerate(values, 1)
    ]
    await services.publishing.check(post, checked.good)
    summary = {"lines": lines, "last_line": len(values), "replaced": replaced}
    summary |= await _predict(services, one, checked)
    return Plan(options, summary, content)


async def _standing(
    services: Services, network_id: str, segment_id: int
) -> dict[str, tuple[str, int | None]] | None:
    """Return the standing overrides by user, with expires_at in Unix seconds; None if there are too many."""
    standing: dict[str, tuple[str, int | None]] = {}
    after: int | None = 0
    async with services.reading.transaction(
        network_id, repeatable=True, seconds=SECONDS
    ) as connection:
        segment = await find_segment(connection, network_id, segment_id)
        while after is not None:
            rows, after = await read_overrides(connection, segment.segment_key, after, 1000)
            for row in rows:
                lapses = row["expires_at"]
                standing[row["user_id"]] = (row["override"], lapses and int(lapses.timestamp()))
            if len(standing) > MOST_STANDING:
                return None
    return standing


def _reset(user: str, segment_id: int) -> bytes:
    command = {"user": user, "segment_id": segment_id, "user_status": "reset", "description": _GONE}
    return json.dumps(command, ensure_ascii=False).encode()
