"""Folding what a dry run imagines: the state of each command's key before it and after it.

A command that is not earlier than all that is known of its key goes on from where the key stands. Any other is late:
its key is folded anew, from the log and from what the dry run said before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from service.database import statements
from service.log.earlier import Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import asyncpg

    from service.log.earlier import Earlier, KeyNumbers
    from service.log.foresee import Foreseen

SQL = statements("projections.fold")
# By a command's number: the rows of dry_run.sql, False the one before it, True the one after.
Folded = dict[int, dict[bool, "Mapping[str, Any]"]]


class _Run(NamedTuple):
    """Commands of one key, one after the other. anew: the key is folded anew for each; else it goes on from start."""

    key: KeyNumbers
    anew: bool
    start: str | None
    commands: Sequence[Foreseen]


class Imagined:
    """The keys of one dry run, as what it says would leave them."""

    def __init__(self, connection: asyncpg.Connection[Any], earlier: Earlier) -> None:
        self._connection = connection
        self._earlier = earlier

    async def fold(self, foreseen: Sequence[Foreseen]) -> Folded:
        """Fold the keys of the next commands, whose segments are known, in their order.

        In as many rounds as one key changes between commands that are late and others that aren't.
        """
        left: dict[KeyNumbers, list[Foreseen]] = {}
        for one in foreseen:
            left.setdefault(one.candidate.place[:2], []).append(one)
        standing = self._earlier.standing(left)
        folded: Folded = {}
        while left:
            runs = [_next_run(key, left[key], standing.get(key)) for key in left]
            for row in (*await self._straight(runs), *await self._anew(runs)):
                folded.setdefault(row["nth"], {})[row["after"]] = row
            for run in runs:
                after = folded.get(_number(run.commands[-1]), {}).get(True)
                standing[run.key] = (
                    Standing(after["newest"], after["state"]) if after else Standing(None, None)
                )
                del left[run.key][: len(run.commands)]
            left = {key: commands for key, commands in left.items() if commands}
        self._earlier.keep_standing(standing)
        return folded

    async def _straight(self, runs: Iterable[_Run]) -> Sequence[Mapping[str, Any]]:
        runs = [run for run in runs if not run.anew]
        asked = [
            (
                _number(one), segment_key, person_id, int(one.candidate.command.user_status), _time(one),
                one.candidate.command.expires_at,
            )
            for run in runs
            for person_id, segment_key in [run.key]
            for one in run.commands
        ]  # fmt: skip
        starts = [(run.key[1], run.key[0], run.start) for run in runs]
        return await self._ask("dry_run_straight", *_columns(asked, 6), *_columns(starts, 3))

    async def _anew(self, runs: Iterable[_Run]) -> Sequence[Mapping[str, Any]]:
        runs = [run for run in runs if run.anew]
        said = self._earlier.of_keys(run.key for run in runs)
        asked = [
            (_number(one), run.key[1], run.key[0], _time(one))
            for run in runs
            for one in run.commands
        ]
        return await self._ask("dry_run", *_columns(asked, 4), *_columns(said, 6))

    async def _ask(self, statement: str, *columns: list[Any]) -> Sequence[Mapping[str, Any]]:
        """Ask, where there is anything in the first column."""
        if not columns[0]:
            return ()
        rows: list[Mapping[str, Any]] = await self._connection.fetch(SQL[statement], *columns)
        return rows


def _next_run(key: KeyNumbers, commands: Sequence[Foreseen], standing: Standing | None) -> _Run:
    """Take commands as long as all of them are late, or none is.

    Of a key not asked about before it is not known where it stands: its first command has it folded anew.
    """
    if standing is None:
        return _Run(key, anew=True, start=None, commands=commands[:1])
    newest = standing.newest
    anew = False
    for count, one in enumerate(commands):
        time = _time(one)
        if time is None:
            continue
        late = newest is not None and time < newest
        if not count:
            anew = late
        elif late != anew:
            return _Run(key, anew, standing.state, commands[:count])
        newest = time if newest is None else max(newest, time)
    return _Run(key, anew, standing.state, commands[:])


def _number(one: Foreseen) -> int:
    return one.candidate.record.offset


def _time(one: Foreseen) -> int | None:
    """Give an event's time, Unix seconds; None for what would be no event."""
    return one.candidate.place[2] if one.is_event else None


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> list[list[Any]]:
    return [[row[column] for row in rows] for column in range(count)]
