"""Long keys: states kept at intervals, so that a late event folds what lies between two of them and not the whole key.

A late event of a long key is folded from the kept state before it until the fold comes to a kept state that is as it
was: from there on the key goes on as it did. Where it never does, all after it is folded; that is told (`HeavyError`)
when others would have to wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from service.postgres.database import statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

SQL = statements("projections.fold.sql")
# Events between two kept states, up to twice as many; a key with fewer has none.
EVERY = 500


class Batch(NamedTuple):
    """Claimed lanes and the offsets of each, [first, until), to be folded into a slot of a projection."""

    projection: str
    slot: int
    lanes: list[int]
    firsts: list[int]
    untils: list[int]


class LateKey(NamedTuple):
    """A long key of a batch with late events: the least offset of its events, and their first and last in its order."""

    segment_key: int
    person_id: int
    lane_id: int
    kafka_offset: int
    first_at: datetime
    first_received_at: datetime
    last_at: datetime
    last_received_at: datetime


class HeavyError(Exception):
    """To fold a batch takes longer than others should wait for: the key of this event does."""

    def __init__(self, lane_id: int, offset: int) -> None:
        super().__init__(f"a long key in lane {lane_id}, offset {offset}")
        self.lane_id = lane_id
        self.offset = offset


async def fold_late(
    connection: asyncpg.Connection[Any], batch: Batch, keys: Sequence[LateKey], most: int | None
) -> None:
    """Fold long keys whose batch holds late events, and state what they came to; their rows are locked.

    most: events that may be folded, but for a key that has the batch's very first event; None: as many as it takes.
    Raises: HeavyError.
    """
    left = most
    for key in keys:
        is_first = key.kafka_offset == batch.firsts[0] and len(batch.lanes) == 1
        folded = await _fold_late(connection, batch, key, None if is_first else left)
        if left is not None and not is_first:
            left -= folded


async def _fold_late(
    connection: asyncpg.Connection[Any], batch: Batch, key: LateKey, most: int | None
) -> int:
    """Fold stretch after stretch, each twice as many pieces long, until the key goes on as it did; gives how much.

    most: events after which no stretch is begun.
    """
    bounds = await connection.fetch(
        SQL["kept_bounds"], batch.slot, key.segment_key, key.person_id, *key[4:]
    )
    begin = bounds.pop(0) if bounds and bounds[0]["before"] else None
    if begin is not None:
        await connection.execute(
            SQL["supersede_earlier"], batch.slot, key.segment_key, key.person_id, batch.lanes, batch.firsts,
            batch.untils, batch.projection, begin["lane_id"], begin["kafka_offset"],
        )  # fmt: skip
    was = state = begin and begin["state"]
    recorded_at = received_at = None
    folded: int = 0
    pieces = 1
    while True:
        if most is not None and folded >= most:
            raise HeavyError(key.lane_id, key.kafka_offset)
        stretch, bounds = bounds[:pieces], bounds[pieces:]
        end = stretch[-1] if stretch else None
        row = await _fold_stretch(connection, batch, key, (begin, end), (was, state))
        folded += row["events"]
        recorded_at = max(filter(None, (recorded_at, row["recorded_at"])), default=None)
        received_at = max(filter(None, (received_at, row["received_at"])), default=None)
        begin, was, state, pieces = end, row["was"], row["state"], 2 * pieces
        if end is None or row["converged"]:
            break
    await connection.execute(
        SQL["settle_long"], batch.slot, key.segment_key, key.person_id, batch.lanes[0],
        None if end else state, recorded_at, received_at, None if end else row["tail"],
    )  # fmt: skip
    return folded


async def keep_states(
    connection: asyncpg.Connection[Any], batch: Batch, keys: Sequence[tuple[int, int]]
) -> None:
    """Keep more states of keys (segment_key, person_id) that grew long, of their events after the last kept one."""
    for segment_key, person_id in keys:
        begin = await connection.fetchrow(SQL["kept_last"], batch.slot, segment_key, person_id)
        key = (segment_key, person_id)
        state = begin and begin["state"]
        row = await _fold_stretch(connection, batch, key, (begin, None), (None, state), (1,))
        await connection.execute(
            SQL["set_tail"],
            batch.slot,
            *key,
            row["tail"],
        )


async def _fold_stretch(
    connection: asyncpg.Connection[Any],
    batch: Batch,
    key: Sequence[Any],
    between: Sequence[asyncpg.Record | None],
    states: Sequence[str | None],
    signs: Sequence[int] = (-1, 1),
) -> asyncpg.Record:
    """Fold what lies between two kept states. states: the one to begin with, as it was and as it is."""
    places = [bound and bound[part] for bound in between for part in ("lane_id", "kafka_offset")]
    row: asyncpg.Record | None = await connection.fetchrow(
        SQL["refold"], batch.slot, key[0], key[1], batch.lanes, batch.firsts, batch.untils, batch.projection,
        list(signs), *places, *states, EVERY,
    )  # fmt: skip
    if row is None or row["not_found"]:
        raise AssertionError(f"{row} of {key}")
    return row
