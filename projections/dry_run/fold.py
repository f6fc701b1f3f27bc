"""Folding what a dry run imagines: the state of each command's key before it and after it.

A command that is not earlier than all that is known of its key goes on from where the key stands. Any other is late:
its key is folded anew, from the log and from what the dry run said before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from projections.dry_run.overlay import Standing
from service.postgres.database import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import asyncpg

    from projections.dry_run.overlay import KeyNumbers, Overlay
    from projections.dry_run.settle import Settled

SQL = statements("projections.dry_run.sql")
# By a command's number: the rows of dry_run.sql, False the one before it, True the one after.
Folded = dict[int, dict[bool, "Mapping[str, Any]"]]


class _Run(NamedTuple):
    """Commands of one key, one after the other: all of them late, or none. state: where the key stood before them."""

    key: KeyNumbers
    late: bool
    state: str | None
    commands: Sequence[Settled]


class DryFold:
    """The keys of one dry run, as what it says would leave them."""

    def __init__(self, connection: asyncpg.Connection[Any], earlier: Overlay) -> None:
        self._connection = connection
        self._earlier = earlier

    async def fold(self, foreseen: Sequence[Settled]) -> Folded:
        """Fold the keys of the next commands, whose segments are known, in their order.

        In as many rounds as one key changes between commands that are late and others that aren't.
        """
        left: dict[KeyNumbers, list[Settled]] = {}
        for one in foreseen:
            left.setdefault(one.candidate.place[:2], []).append(one)
        standing = await self._standing(left)
        folded: Folded = {}
        while left:
            runs = [_next_run(key, commands, standing[key]) for key, commands in left.items()]
            for row in await self._fold(runs):
                folded.setdefault(row["nth"], {})[row["after"]] = row
            for run in runs:
                after = folded[_number(run.commands[-1])][True]
                standing[run.key] = Standing(after["newest"], after["state"])
                del left[run.key][: len(run.commands)]
            left = {key: commands for key, commands in left.items() if commands}
        self._earlier.keep_standing(standing)
        return folded

    async def _standing(self, keys: Iterable[KeyNumbers]) -> dict[KeyNumbers, Standing]:
        """Say where keys stand: by what was asked before, or, of those not asked about yet, by the log."""
        known = self._earlier.standing(keys)
        unknown = {key: Standing(None, None) for key in keys if key not in known}
        # Nobody whom the log does not know has anything in it.
        asked = [(segment_key, person_id) for person_id, segment_key in unknown if person_id > 0]
        for row in await self._ask("dry_run_standing", *_columns(asked, 2)):
            unknown[row["person_id"], row["segment_key"]] = Standing(row["newest"], row["state"])
        return known | unknown

    async def _fold(self, runs: Sequence[_Run]) -> Sequence[Mapping[str, Any]]:
        asked = [
            (
                _number(one), segment_key, person_id, int(one.candidate.command.user_status), _time(one),
                one.candidate.command.expires_at,
            )
            for run in runs
            for person_id, segment_key in [run.key]
            for one in run.commands
        ]  # fmt: skip
        keys = [(run.key[1], run.key[0], run.late, run.state) for run in runs]
        said = self._earlier.of_keys(run.key for run in runs if run.late)
        return await self._ask(
            "dry_run", *_columns(asked, 6), *_columns(keys, 4), *_columns(said, 6)
        )

    async def _ask(self, statement: str, *columns: list[Any]) -> Sequence[Mapping[str, Any]]:
        """Ask, where there is anything in the first column."""
        if not columns[0]:
            return ()
        rows: list[Mapping[str, Any]] = await self._connection.fetch(SQL[statement], *columns)
        return rows


def _next_run(key: KeyNumbers, commands: Sequence[Settled], standing: Standing) -> _Run:
    """Take commands as long as all of them are late, or none is."""
    newest = standing.newest
    late = False
    for count, one in enumerate(commands):
        time = _time(one)
        if time is None:
            continue
        is_late = newest is not None and time < newest
        if not count:
            late = is_late
        elif is_late != late:
            return _Run(key, late, standing.state, commands[:count])
        newest = time if newest is None else max(newest, time)
    return _Run(key, late, standing.state, commands[:])


def _number(one: Settled) -> int:
    return one.candidate.record.offset


def _time(one: Settled) -> int | None:
    """Give an event's time, Unix seconds; None for what would be no event."""
    return one.candidate.place[2] if one.is_event else None


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> list[list[Any]]:
    return [[row[column] for row in rows] for column in range(count)]
