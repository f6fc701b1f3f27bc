"""Rebuilds a projection blue/green: folds the log into the other slot, and swaps both at equal positions."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from projections.fold import long_keys
from projections.fold.lease import leasing
from projections.fold.worker import PROJECTION, ROLE, SQL, fold_digest, fold_range
from service.postgres.database import give_longer, open_database
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.errors import SegmentsError, WrongUseError
from service.runtime.progress import silent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from projections.fold.lease import Lease
    from service.postgres.database import Database
    from service.runtime.progress import Progress
    from service.runtime.settings import Settings

SHARES = 2  # connections that fold in parallel, each a share of the persons
CLOSE = 2000  # offsets apart, below which the swap folds the rest itself
LEASE_SECONDS = 30
STEP_SECONDS = 36_000
STEPS = 4
_TAKEN_OVER = "(it took over while this one stood still, or Postgres was started anew: begin again)"


class RebuildRunningError(SegmentsError):
    """Another rebuild of this projection is in progress."""


async def rebuild(
    settings: Settings, projection: str = PROJECTION, progress: Progress = silent
) -> int:
    """Rebuild a projection while readers and workers go on.

    progress: is told before each step. One that is cancelled before the last step changes nothing that is served; in
    the last step it only leaves the former slot full.
    Returns: the number of events folded in the first pass.
    Raises: WrongUseError, RebuildRunningError.
    """
    if projection != PROJECTION:
        raise WrongUseError(f"There is no projection {projection!r}; there is {PROJECTION!r}.")
    async with (
        open_database(settings, ROLE, SHARES + 2) as database,
        leasing(database, "rebuild", LEASE_SECONDS) as lease,
    ):
        if lease is None:
            raise RebuildRunningError
        build = _Rebuild(database, lease)
        old = await build.serving()
        new = 1 - old
        await progress("empty", 0, STEPS)
        await build.empty(new)
        await progress("fold", 1, STEPS)
        events = await build.fold_whole(old, new)
        await progress("catch up and swap", 2, STEPS)
        while not await build.swap(old, new):
            pass
        await progress("empty the former", 3, STEPS)
        with suppress(*INFRASTRUCTURE):
            await build.empty(old)
    return events


class _Rebuild:
    def __init__(self, database: Database, lease: Lease) -> None:
        self._database = database
        self._settings = database.settings
        self._lease = lease

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Run one transaction. RebuildRunningError if the lease was lost, as by a process that was stopped."""
        async with self._database.transaction() as connection:
            await connection.execute("SET LOCAL work_mem = '256MB'")
            await give_longer(connection, STEP_SECONDS)
            if not await self._lease.is_held(connection):
                raise RebuildRunningError(_TAKEN_OVER)
            yield connection

    async def serving(self) -> int:
        """Return the serving slot."""
        async with self._transaction() as connection:
            slot: int = await connection.fetchval(SQL["serving_slot"], PROJECTION)
        return slot

    async def empty(self, slot: int) -> None:
        """Empty a slot that is not serving."""
        async with self._transaction() as connection:
            await connection.execute(SQL["empty_slot"], PROJECTION, slot, timeout=STEP_SECONDS)

    async def fold_whole(self, old: int, new: int) -> int:
        """Fold the log below the serving slot's checkpoints, which never changes: shares need no common snapshot."""
        async with self._transaction() as connection:
            rows = await connection.fetch(SQL["checkpoints"], PROJECTION, old)
        lanes = [row["lane_id"] for row in rows]
        offsets = [row["next_offset"] for row in rows]
        counts = await asyncio.gather(
            *(self._fold_share(new, lanes, offsets, share) for share in range(SHARES))
        )
        async with self._transaction() as connection:
            await connection.execute(SQL["set_checkpoints"], PROJECTION, new, lanes, offsets)
            await self._keep_states(connection, new, lanes, offsets)
        return sum(counts)

    @staticmethod
    async def _keep_states(
        connection: asyncpg.Connection[Any], slot: int, lanes: list[int], offsets: list[int]
    ) -> None:
        """Keep states of the long keys, as the workers do."""
        keys = await connection.fetch(
            SQL["grown_keys"], slot, 2 * long_keys.EVERY, timeout=STEP_SECONDS
        )
        batch = long_keys.Batch(PROJECTION, slot, lanes, offsets, offsets)
        await long_keys.keep_states(connection, batch, [tuple(key) for key in keys])

    async def _fold_share(self, new: int, lanes: list[int], offsets: list[int], share: int) -> int:
        async with self._transaction() as connection:
            count: int = await connection.fetchval(
                SQL["whole"], new, lanes, offsets, SHARES, share, timeout=STEP_SECONDS
            )
        return count

    async def swap(self, old: int, new: int) -> bool:
        """Catch up; once close, block the workers, fold the rest and swap. False: not close yet, call again."""
        if not await self._catch_up(old, new):
            return False
        async with self._transaction() as connection:
            await connection.execute(SQL["hold_workers"], PROJECTION)
            if not await self._lease.is_held(connection, lock=True):
                raise RebuildRunningError(_TAKEN_OVER)
            await connection.execute(SQL["make_checkpoints"], PROJECTION, old, new)
            rows = await connection.fetch(SQL["distance"], PROJECTION, old, new)
            if sum(row["until"] - row["first"] for row in rows) > 4 * CLOSE:
                return False
            for row in rows:
                await fold_range(connection, new, row["lane_id"], row["first"], row["until"])
            await connection.execute(SQL["take_watermarks"], PROJECTION, old, new)
            await connection.execute(SQL["swap"], PROJECTION, new, fold_digest())
        return True

    async def _catch_up(self, old: int, new: int) -> bool:
        """Fold one batch of each lane that is behind; True if all of them are close."""
        async with self._transaction() as connection:
            await connection.execute(SQL["make_checkpoints"], PROJECTION, old, new)
            rows = await connection.fetch(SQL["distance"], PROJECTION, old, new)
        if sum(row["until"] - row["first"] for row in rows) <= CLOSE:
            return True
        for row in rows:
            end = min(row["until"], row["first"] + self._settings.project_batch_records)
            async with self._transaction() as connection:
                await fold_range(connection, new, row["lane_id"], row["first"], end)
        return False
