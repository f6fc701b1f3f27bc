"""Folds the commands of a dry run: the state of each command's key before and after it.

A command that is not older than the newest event of its key continues from the key's state. Any other is late, and its
key is folded again, from the log and from the dry run's earlier commands.
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
    """Consecutive commands of one key, all late or none. state: of the key before them."""

    key: KeyNumbers
    late: bool
    state: str | None
    commands: Sequence[Settled]


class DryFold:
    """Folds keys, including the effects of the dry run's earlier commands."""

    def __init__(self, connection: asyncpg.Connection[Any], earlier: Overlay) -> None:
        self._connection = connection
        self._earlier = earlier

    async def fold(self, settled: Sequence[Settled]) -> Folded:
        """Fold the keys of the next commands, whose segments exist, in order.

        It takes as many rounds as a key alternates between late and other commands.
        """
        left: dict[KeyNumbers, list[Settled]] = {}
        for one in settled:
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
        """Return the states of keys: from the dry run's earlier commands, else from the log."""
        known = self._earlier.standing(keys)
        unknown = {key: Standing(None, None) for key in keys if key not in known}
        # People that are not in Postgres have negative ids, and no events.
        in_log = [(segment_key, person_id) for person_id, segment_key in unknown if person_id > 0]
        for row in await self._fetch("dry_run_standing", *_columns(in_log, 2)):
            unknown[row["person_id"], row["segment_key"]] = Standing(row["newest"], row["state"])
        return known | unknown

    async def _fold(self, runs: Sequence[_Run]) -> Sequence[Mapping[str, Any]]:
        commands = [
            (
                _number(one), segment_key, person_id, int(one.candidate.command.user_status), _time(one),
                one.candidate.command.expires_at,
            )
            for run in runs
            for person_id, segment_key in [run.key]
            for one in run.commands
        ]  # fmt: skip
        keys = [(run.key[1], run.key[0], run.late, run.state) for run in runs]
        earlier = self._earlier.of_keys(run.key for run in runs if run.late)
        return await self._fetch(
            "dry_run", *_columns(commands, 6), *_columns(keys, 4), *_columns(earlier, 6)
        )

    async def _fetch(self, statement: str, *columns: list[Any]) -> Sequence[Mapping[str, Any]]:
        """Run a statement, unless its first array is empty."""
        if not columns[0]:
            return ()
        rows: list[Mapping[str, Any]] = await self._connection.fetch(SQL[statement], *columns)
        return rows


def _next_run(key: KeyNumbers, commands: Sequence[Settled], standing: Standing) -> _Run:
    """Return the longest run of commands that are all late, or none."""
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
    """Return the time of an event, Unix seconds; None if the command would not be an event."""
    return one.candidate.place[2] if one.is_event else None


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> list[list[Any]]:
    return [[row[column] for row in rows] for column in range(count)]
