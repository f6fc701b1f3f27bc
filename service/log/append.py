"""The append: one batch of one lane, in one transaction, exactly once.

It is optimistic: most batches hold no duplicate, so it looks nothing up first. After a batch with a duplicate, the next
batches of the lane are looked up first (`insert.py`). Little batches are tried first in one statement with those of
other lanes (`append_many.py`). Both ways use the same database functions to lock lanes and read their preconditions,
claim signatures and move lanes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from service.log import signatures, spans
from service.log.append_many import MOST_LANES, append_many, is_ordinary, ordinarily_stored
from service.log.batch import NO_RECORDS, Batch, MovedError, RestsOn, Stored, move_of
from service.log.insert import ALL, NONE, insert_events
from service.log.prepare import Preparer, segment_of
from service.log.record_keys import name_by_keys
from service.log.rows import duplicate_rows, hole_rows, rejected_rows
from service.postgres.database import statements
from service.registry.segments import Registered
from service.runtime.coalesce import Coalescer
from service.runtime.errors import LaneLostError, LaneStoppedError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from service.log.deduplicate import Resolution
    from service.log.validate import RejectedRecord
    from service.postgres.database import Database

SQL = statements("service.log.sql")
ROLE = "segments_ingest"
# The number of batches of a lane that are looked up first, after one with repeats.
EXACT_BATCHES = 8


class Appender(Preparer):
    """Prepares and stores batches; one per ingest process. Lanes are stored concurrently."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._invalid_signatures = signatures.InvalidSignatureReport()
        self._together = Coalescer(self._append_many, MOST_LANES)
        # By lane_id: which commands are looked up first, and for how many batches more.
        self._look_ups: dict[int, tuple[int, int]] = {}
        self.on_another(self._look_ups.clear)

    def stop(self) -> set[asyncio.Task[None]]:
        """Stop the statements shared by several lanes, once no lane waits for them; return the tasks still running."""
        return self._together.stop() | super().stop()

    async def _append_many(self, batches: Sequence[Batch]) -> Sequence[bool]:
        return await append_many(self._database, batches)

    async def store_together(self, batch: Batch) -> Stored | None:
        """Append a small batch in one statement with those of other lanes; None if it must be stored alone."""
        if self._look_ups.get(batch.lane_id, (NONE, 0))[0] != NONE or not is_ordinary(batch):
            return None
        if self._settings.otlp_endpoint is not None and spans.are_in(batch):
            return None
        return ordinarily_stored(batch) if await self._together(batch) else None

    async def store_alone(self, batch: Batch) -> Stored:
        """Append a prepared batch in a transaction of its own.

        Raises: LaneLostError if another process moved the lane, LaneStoppedError, and asyncpg and OS errors of the
        infrastructure. Then nothing is written.
        """
        traced = spans.begin(batch) if self._settings.otlp_endpoint is not None else []
        while True:
            try:
                async with self._database.transaction() as connection:
                    recorded_at = await self._lock(connection, batch)
                    await _claim_signatures(connection, batch)
                    look_up, left = self._look_ups.get(batch.lane_id, (NONE, 0))
                    resolution, needed = await insert_events(
                        connection, batch, recorded_at, ALL if batch.may_repeat else look_up
                    )
                    stored = await _insert_rest(connection, batch, resolution, recorded_at)
                    await connection.execute(
                        SQL["move_lanes"], [move_of(batch, stored)], recorded_at
                    )
                    if traced:
                        await spans.hand_on(connection, batch.lane_id, traced)
            except MovedError as moved:
                await self._identify_anew(batch, moved)
                continue
            self._invalid_signatures.add(batch)
            spans.end(traced)
            self._look_ups[batch.lane_id] = (
                (look_up, left - 1) if needed < look_up and left > 1 else (needed, EXACT_BATCHES)
            )
            return stored

    async def _lock(self, connection: asyncpg.Connection[Any], batch: Batch) -> datetime:
        """Lock a batch's lane, and check the batch's preconditions; return its recorded_at."""
        now = await connection.fetchrow(
            SQL["lock_lanes"], [batch.lane_id], [batch.start], batch.segments,
            *batch.absent_segments,
        )  # fmt: skip
        assert now is not None  # noqa: S101 - a function gives a row
        if now["lost"]:
            raise LaneLostError(f"({batch.lane.topic}-{batch.lane.partition})")
        if now["stopped_because"] is not None:
            raise LaneStoppedError(now["stopped_because"])
        await self._compare(connection, batch, now)
        recorded_at: datetime = now["recorded_at"]
        return recorded_at

    async def _compare(
        self, connection: asyncpg.Connection[Any], batch: Batch, now: asyncpg.Record
    ) -> None:
        """Compare a batch's preconditions with the state under the lane's lock.

        Raises: LaneLostError for another incarnation of Postgres; MovedError if a part must be read again.
        """
        rests_on = batch.rests_on
        incarnation, rules, erased_to = now["incarnation"], now["rules"], now["erased_to"]
        if incarnation != rests_on.incarnation or incarnation != self._memory.incarnation:
            self.saw(incarnation, erased_to)
            raise LaneLostError(
                f"({batch.lane.topic}-{batch.lane.partition}: Postgres was restored or replaced)"
            )
        gone: set[int] = set()
        if erased_to != rests_on.erased_to:
            gone = await self._memory.erased_since(connection, rests_on.erased_to)
        if rules != rests_on.rules or now["created"] or batch.names(gone):
            raise MovedError(rules, erased_to, gone)
        batch.rests_on = RestsOn(incarnation, rules, erased_to)
        archived = set(now["archived"])
        if archived != batch.archived:
            batch.archived = archived
            for candidate in batch.candidates:
                key = candidate.segment_key
                if key is not None and candidate.archived != (key in archived):
                    candidate.archived = key in archived
                    self._memory.segments[segment_of(candidate)] = Registered(key, key in archived)


async def _claim_signatures(connection: asyncpg.Connection[Any], batch: Batch) -> None:
    again = await signatures.claim(connection, batch)
    if again:
        raise MovedError(batch.rests_on.rules, batch.rests_on.erased_to, set(), again)


async def _insert_rest(
    connection: asyncpg.Connection[Any],
    batch: Batch,
    resolution: Resolution,
    recorded_at: datetime,
) -> Stored:
    """Insert the rows of a batch other than events."""
    refused = [*batch.rejected, *resolution.rejected]
    await name_by_keys(connection, refused, batch.allowed)
    await signatures.count_invalid(connection, batch)
    for table, (columns, rows) in {
        "duplicate": duplicate_rows(batch, resolution, recorded_at),
        "rejected": rejected_rows(batch, refused, recorded_at),
        "hole": hole_rows(batch, NO_RECORDS, recorded_at),
    }.items():
        if rows:
            await connection.copy_records_to_table(
                table, schema_name="segments", columns=columns, records=rows
            )
    return Stored(
        batch.next_offset,
        len(resolution.events),
        len(resolution.duplicates),
        sum(r.record.span for r in refused),
        sum(end - first for first, end in batch.holes),
        _count_reasons(refused),
    )


def _count_reasons(refused: Sequence[RejectedRecord]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in refused:
        reason = one.reason.value
        counts[reason] = counts.get(reason, 0) + one.record.span
    return counts
