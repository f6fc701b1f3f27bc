"""A network's segments stated as a YAML file: the difference to the registry, and making it none."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.json_text import escape
from schemas.rules import is_network_id
from schemas.segment import (  # noqa: TC001 - pydantic reads them
    SegmentDescription,
    SegmentId,
    SegmentName,
)
from service import registry
from service.errors import NameTakenError, RegistryMovedError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from service.registry import Segment


# YAML 1.1 alone has them, and what a segment is would no longer stand in its own lines.
_MERGE = "tag:yaml.org,2002:merge"
_NAMES = "segments.segment_name_once_per_network"


class Entry(BaseModel):
    """One segment of a file. What is left out is at its default; without an id it is found by its name."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: SegmentName
    id: SegmentId | None = None
    description: SegmentDescription | None = None
    hidden: bool = False
    archived: bool = False


class SegmentFile(BaseModel):
    """A file. network: may be given on the command line instead."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    network: str | None = None
    segments: list[Entry]


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done to one segment. before: None for one to create; after: None for one that no line states."""

    action: str  # create, change, or missing
    segment_id: int | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses merge keys and a name that is given twice, and says where a value is none."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        if node.tag == _MERGE:
            problem = "merge keys (<<) are not taken: write out what is to stand here"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # a date that is none, a number too long
            raise yaml.MarkedYAMLError(problem=str(error), problem_mark=node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        names = [self.construct_object(name, deep=True) for name, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.MarkedYAMLError(problem=f"{name!r} twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def read_file(path: Path) -> SegmentFile:
    """Read a file of segments. Raises: WrongUseError, naming the line or the entry."""
    try:
        with path.open("rb") as file:
            given = yaml.load(file, _Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise WrongUseError(f"{path.name}: {' '.join(str(error).split())}") from error
    try:
        found = SegmentFile.model_validate(given)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(escape(str(part)) for part in one['loc']) or 'the file'}: "
            f"{one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        )
        raise WrongUseError(f"{path.name}: {faults}") from error
    _check_whole(path.name, found)
    return found


def _check_whole(file: str, found: SegmentFile) -> None:
    """Check what no entry by itself can be wrong in."""
    if found.network is not None and not is_network_id(found.network):
        raise WrongUseError(f"{file}: network: must be 1 to 64 of A-Z a-z 0-9 . _ -")
    for what in ("name", "id"):
        counted = Counter(getattr(entry, what) for entry in found.segments)
        twice = sorted(one for one, times in counted.items() if one is not None and times > 1)
        if twice:
            raise WrongUseError(f"{file}: {what} twice: {', '.join(map(str, twice))}")


def compare(there: Sequence[Segment], wanted: Sequence[Entry]) -> list[Change]:
    """Give the difference: what to create and to change, in the file's order, and what no line states.

    Raises: WrongUseError where a line without an id names a segment that another line states by its id.
    """
    by_id = {one.segment_id: one for one in there}
    by_name = {one.segment_name: one for one in there}
    stated: set[int] = {entry.id for entry in wanted if entry.id is not None}
    changes = []
    for entry in wanted:
        found = by_id.get(entry.id) if entry.id is not None else by_name.get(entry.name)
        if found is not None and entry.id is None and found.segment_id in stated:
            raise WrongUseError(f"{entry.name!r} and id {found.segment_id} are the same segment.")
        after = _entry(entry)
        if found is None:
            changes.append(Change("create", entry.id, None, after))
            continue
        stated.add(found.segment_id)
        if (before := _segment(found)) != after:
            changes.append(Change("change", found.segment_id, before, after))
    changes += [
        Change("missing", one.segment_id, _segment(one), None)
        for one in there
        if one.segment_id not in stated
    ]
    return changes


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name, "description": entry.description or None,
        "hidden": entry.hidden, "archived": entry.archived,
    }  # fmt: skip


def _segment(one: Segment) -> dict[str, Any]:
    return {
        "name": one.segment_name, "description": one.description,
        "hidden": not one.is_visible, "archived": one.archived_at is not None,
    }  # fmt: skip


async def difference(
    connection: asyncpg.Connection[Any], network_id: str, wanted: Sequence[Entry]
) -> list[Change]:
    """Compare a file with the registry as it is now."""
    return compare(await registry.list_segments(connection, network_id), wanted)


async def apply(
    connection: asyncpg.Connection[Any],
    network_id: str,
    wanted: Sequence[Entry],
    expected: Sequence[Change],
    actor: str | None,
    *,
    archive_missing: bool = False,
) -> list[Change]:
    """Make the registry say what a file says, in one transaction that nobody else's change comes between.

    expected: the difference that was agreed to.
    Returns: what was done. Raises: RegistryMovedError when the difference is another one by now, NameTakenError.
    """
    async with connection.transaction():
        await registry.lock(connection)
        changes = await difference(connection, network_id, wanted)
        if changes != list(expected):
            raise RegistryMovedError
        # Two segments may get each other's name: names are compared at the end.
        await connection.execute(f"SET CONSTRAINTS {_NAMES} DEFERRED")
        done = []
        # Ids that the file gives come first: the rest get the highest + 1, and must not meet them.
        for change in sorted(changes, key=lambda one: one.segment_id is None):
            if change.action == "missing" and (
                not archive_missing or (change.before or {})["archived"]
            ):
                continue
            await _carry_out(connection, network_id, change, actor)
            done.append(change)
        try:
            await connection.execute(f"SET CONSTRAINTS {_NAMES} IMMEDIATE")
        except asyncpg.UniqueViolationError as error:
            raise NameTakenError(f"(network {network_id})") from error
    return done


async def _carry_out(
    connection: asyncpg.Connection[Any], network_id: str, change: Change, actor: str | None
) -> None:
    after = change.after or {"archived": True}
    number = change.segment_id
    if change.action == "create":
        made = await registry.create(
            connection, network_id=network_id, name=after["name"], segment_id=number,
            description=after["description"], is_visible=not after["hidden"], actor=actor,
        )  # fmt: skip
        number = made.segment_id
    elif change.action == "change":
        await registry.edit(
            connection, network_id=network_id, segment_id=number or 0, name=after["name"],
            description=after["description"], is_visible=not after["hidden"], actor=actor,
        )  # fmt: skip
    await registry.set_archived(
        connection, network_id=network_id, segment_id=number or 0, archived=after["archived"], actor=actor,
    )  # fmt: skip
