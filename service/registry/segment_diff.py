"""Compares a file of segments with the registry, and applies the difference."""

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
    """A change to one segment. before: None for a new segment; after: None for one that is not in the file."""

    action: str  # create, change, or missing
    segment_id: int | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Applied:
    """The result. changes: the whole difference, new segments with their ids; done: the number of applied changes."""

    changes: list[Change]
    done: int


def compare(there: Sequence[Segment], wanted: Sequence[Entry]) -> list[Change]:
    """Return the difference: segments to create and to change, in the file's order, then those not in the file.

    Raises: WrongUseError if an entry without an id has the name of a segment that another entry has by id.
    """
    by_id = {one.segment_id: one for one in there}
    by_name = {one.segment_name: one for one in there}
    stated: set[int] = {entry.id for entry in wanted if entry.id is not None}
    changes = []
    for entry in wanted:
        segment = by_id.get(entry.id) if entry.id is not None else by_name.get(entry.name)
        if segment is not None and entry.id is None and segment.segment_id in stated:
            raise WrongUseError(f"{entry.name!r} and id {segment.segment_id} are the same segment.")
        after = _entry(entry)
        if segment is None:
            changes.append(Change("create", entry.id, None, after))
            continue
        stated.add(segment.segment_id)
        if (before := _segment(segment)) != after:
            changes.append(Change("change", segment.segment_id, before, after))
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
    """Compare a file with the current registry."""
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
    """Change the registry to the state in a file, in one transaction with a lock.

    expected: the confirmed difference. dry_run: do everything and roll back. most: as in `registry.create`.
    Raises: RegistryMovedError if the difference has changed in the meantime, NameTakenError, NoIdLeftError,
    TooManySegmentsError.
    """
    async with _transaction(connection, keep=not dry_run):
        await registry.lock(connection, network_id)
        changes = await difference(connection, network_id, wanted)
        if changes != list(expected):
            raise RegistryMovedError
        # Two segments may swap their names, so names are checked at the end.
        await connection.execute(f"SET CONSTRAINTS {_NAMES} DEFERRED")
        done: dict[int, Change] = {}
        # Segments with an id come first: the others get the highest id + 1, which must not collide.
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
    """Open a transaction that is rolled back at the end unless `keep`."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    except BaseException:
        await transaction.rollback()
        raise
    await (transaction.commit() if keep else transaction.rollback())


async def _check_names(connection: asyncpg.Connection[Any], network_id: str) -> None:
    """Check the deferred uniqueness of names. Raises: NameTakenError, with the segments."""
    try:
        # A savepoint, so that the query below can still run.
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
    """Apply a change; return it with its segment's id."""
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
