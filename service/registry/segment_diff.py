"""The difference between a file of segments and the registry, and making it none."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import asyncpg

from service.postgres.database import statements
from service.registry import segments as registry
from service.runtime.errors import NameTakenError, RegistryMovedError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from service.registry.segment_file import Entry
    from service.registry.segments import Segment

_NAMES = "segments.segment_name_once_per_network"
SQL = statements("service.registry.sql")


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done to one segment. before: None for one to create; after: None for one that no line states."""

    action: str  # create, change, or missing
    segment_id: int | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done, or would be. changes: the whole difference, new segments with their ids; done: how many of it."""

    changes: list[Change]
    done: int


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
    dry_run: bool = False,
    most: int | None = None,
) -> Applied:
    """Make the registry say what a file says, in one transaction that nobody else's change comes between.

    expected: the difference that was agreed to. dry_run: do it all, and take it back. most: as in `registry.create`.
    Raises: RegistryMovedError when the difference is another one by now, NameTakenError, NoIdLeftError,
    TooManySegmentsError.
    """
    async with _transaction(connection, keep=not dry_run):
        await registry.lock(connection, network_id)
        changes = await difference(connection, network_id, wanted)
        if changes != list(expected):
            raise RegistryMovedError
        # Two segments may get each other's name: names are compared at the end.
        await connection.execute(f"SET CONSTRAINTS {_NAMES} DEFERRED")
        done: dict[int, Change] = {}
        # Ids that the file gives come first: the rest get the highest + 1, and must not meet them.
        for place, change in sorted(enumerate(changes), key=lambda one: one[1].segment_id is None):
            if change.action == "missing" and (
                not archive_missing or (change.before or {})["archived"]
            ):
                continue
            done[place] = await _carry_out(connection, network_id, change, actor, most)
        await _check_names(connection, network_id)
    return Applied([done.get(*one) for one in enumerate(changes)], len(done))


@asynccontextmanager
async def _transaction(connection: asyncpg.Connection[Any], *, keep: bool) -> AsyncIterator[None]:
    """Open a transaction that is taken back in the end, unless it is to be kept."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    except BaseException:
        await transaction.rollback()
        raise
    await (transaction.commit() if keep else transaction.rollback())


async def _check_names(connection: asyncpg.Connection[Any], network_id: str) -> None:
    """Compare the names that were let be equal meanwhile. Raises: NameTakenError, naming the segments."""
    try:
        # A savepoint, so that there can be asked whose they are.
        async with connection.transaction():
            await connection.execute(f"SET CONSTRAINTS {_NAMES} IMMEDIATE")
    except asyncpg.UniqueViolationError as error:
        twice = await connection.fetch(SQL["names_twice"], network_id)
        whose = "; ".join(
            f"{row['segment_name']!r}: ids {' and '.join(map(str, row['ids']))}" for row in twice
        )
        raise NameTakenError(f"(network {network_id}, {whose})") from error


async def _carry_out(
    connection: asyncpg.Connection[Any],
    network_id: str,
    change: Change,
    actor: str | None,
    most: int | None,
) -> Change:
    """Do it; gives the change with its segment's id."""
    after = change.after or {"archived": True}
    number = change.segment_id
    if change.action == "create":
        made = await registry.create(
            connection, network_id=network_id, name=after["name"], segment_id=number,
            description=after["description"], is_visible=not after["hidden"], actor=actor, most=most,
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
    return replace(change, segment_id=number)
