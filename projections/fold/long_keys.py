"""Long keys: states kept at intervals, so that a late event folds what lies between two of them and not the whole key.

A late event of a long key is folded from the kept state before it until the fold comes to a kept state that is as it
was: from there on the key goes on as it did. Where it never does, all after it is folded; that is told (`HeavyError`)
when others would have to wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from service.postgres.database import give_longer, statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

SQL = statements("projections.fold.sql")
# Events between two kept states, up to twice as many; a key with fewer has none.
EVERY = 500
# The time limit of folding one key, of any length, in seconds: a shorter one would stop its lane.
KEY_SECONDS = 3_600


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
    """Fold a late key until it goes on as it did, at most so many events; gives how many."""
    if most is None:
        await give_longer(connection, KEY_SECONDS)
    row = await _refold(connection, batch, key[:2], most, key[4:])
    if row["is_heavy"]:
        raise HeavyError(key.lane_id, key.kafka_offset)
    if row["begin_lane_id"] is not None:
        await connection.execute(
            SQL["supersede_earlier"], batch.slot, *key[:2], batch.lanes, batch.firsts, batch.untils, batch.projection,
            row["begin_lane_id"], row["begin_offset"],
        )  # fmt: skip
    await connection.execute(
        SQL["settle_long"], batch.slot, *key[:2], batch.lanes[0], row["state"], row["recorded_at"], row["received_at"],
        row["tail"],
    )  # fmt: skip
    events: int = row["events"]
    return events


async def keep_states(
    connection: asyncpg.Connection[Any], batch: Batch, keys: Sequence[tuple[int, int]]
) -> None:
    """Keep more states of keys (segment_key, person_id) that grew long, of their events after the last kept one."""
    for key in keys:
        row = await _refold(connection, batch, key, None, (None,) * 4)
        await connection.execute(
            SQL["set_tail"],
            batch.slot,
            *key,
            row["tail"],
        )


async def _refold(
    connection: asyncpg.Connection[Any],
    batch: Batch,
    key: tuple[int, int],
    most: int | None,
    times: Sequence[datetime | None],
) -> asyncpg.Record:
    row: asyncpg.Record | None = await connection.fetchrow(
        SQL["refold"], batch.slot, *key, batch.lanes, batch.firsts, batch.untils, batch.projection, EVERY, most, *times,
        timeout=KEY_SECONDS,
    )  # fmt: skip
    if row is None:
        raise AssertionError(key)
    return row
