"""Inserts the events of a batch, and finds its duplicates.

The events are copied, and the unique index refuses repeats. Then the log is queried for the commands that it holds, and
the rest is copied. Likely repeats, or all commands, may be looked up first; that changes only the cost, because the
index decides. A value that Postgres refuses is isolated by halving, each attempt in a savepoint.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import asyncpg

from schemas.command.refusal import Reason
from service.log.copy_format import COLUMNS, copy_rows
from service.log.deduplicate import Known, resolve
from service.log.expire_events import name_replayed
from service.log.rows import key_rows
from service.log.validate import rejected
from service.postgres.database import REFUSED_VALUE_CLASSES, statements

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.log.batch import Batch
    from service.log.deduplicate import Key, Place, Resolution
    from service.log.validate import ValidCommand

SQL = statements("service.log.sql")
# Which commands are looked up in the log before the COPY.
NONE, SUSPECTS, ALL = range(3)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_ONE_MICROSECOND = timedelta(microseconds=1)
_BY_PLACE = attrgetter("place")


async def insert_events(
    connection: asyncpg.Connection[Any], batch: Batch, recorded_at: datetime, look_up: int
) -> tuple[Resolution, int]:
    """Insert the batch's events, in a transaction that holds its lane's row.

    look_up: which commands to look up before the first attempt: NONE, SUSPECTS or ALL.
    Returns: the result, whose duplicates and rejections are not inserted yet, and which look-up would have sufficed.
    """
    candidates = batch.candidates
    if batch.names_later:
        await name_replayed(connection, batch)
    while True:
        places, needed = await known_places(connection, candidates, look_up)
        keys = await known_keys(connection, candidates)
        resolution = resolve(candidates, batch.lane_id, places, keys)
        try:
            async with connection.transaction():
                await _copy_events(connection, resolution.events, batch, recorded_at)
                await _copy_keys(connection, resolution, recorded_at)
        except asyncpg.UniqueViolationError:
            # Another lane may have inserted them meanwhile, even after a look-up; the next round sees its rows.
            look_up = ALL
        except asyncpg.PostgresError as error:
            if not _refuses_value(error):
                raise
            unstorable = await _find_unstorable(connection, resolution.events, batch, recorded_at)
            refused = {id(candidate) for candidate, _ in unstorable}
            batch.rejected += [rejected(c, Reason.UNSTORABLE, why) for c, why in unstorable]
            candidates[:] = [c for c in candidates if id(c) not in refused]
        else:
            return resolution, needed


async def known_places(
    connection: asyncpg.Connection[Any], candidates: list[ValidCommand], look_up: int
) -> tuple[dict[Place, Known], int]:
    """Look commands up in the log by log key; return those found, and which look-up would have sufficed: NONE, ….

    Commands of archived segments are always looked up: a repeat is a duplicate, any other is rejected.
    """
    candidates_to_find = [
        c
        for c in candidates
        if (look_up == ALL or (look_up == SUSPECTS and c.suspect) or c.archived)
        and c.segment_key is not None
    ]
    if not candidates_to_find:
        return {}, NONE
    rows = await connection.fetch(
        SQL["known_places"],
        *(list(part) for part in zip(*(c.place for c in candidates_to_find), strict=True)),
    )
    repeated = [candidates_to_find[row[0]] for row in rows]
    needed = max((SUSPECTS if c.suspect else ALL for c in repeated), default=NONE)
    return {c.place: Known(*row[1:]) for c, row in zip(repeated, rows, strict=True)}, needed


async def known_keys(
    connection: asyncpg.Connection[Any], candidates: list[ValidCommand]
) -> dict[Key, Known]:
    """Look the commands' idempotency keys up in the log."""
    keys = [c.idempotency for c in candidates if c.idempotency is not None]
    if not keys:
        return {}
    rows = await connection.fetch(
        SQL["known_keys"], [key[0] for key in keys], [key[1] for key in keys]
    )
    return {(row[0], row[1]): Known(*row[2:]) for row in rows}


def _refuses_value(error: asyncpg.PostgresError) -> bool:
    return (error.sqlstate or "")[:2] in REFUSED_VALUE_CLASSES


async def _copy_events(
    connection: asyncpg.Connection[Any],
    events: list[ValidCommand],
    batch: Batch,
    recorded_at: datetime,
) -> None:
    """Insert events by COPY in identity order, so that lanes never deadlock."""
    if not events:
        return
    recorded_us = (recorded_at - _EPOCH) // _ONE_MICROSECOND
    stream = copy_rows(sorted(events, key=_BY_PLACE), batch.lane, batch.lane_id, recorded_us)

    async def source() -> AsyncIterator[bytes]:
        yield stream

    await connection.copy_to_table(
        "event", schema_name="segments", columns=COLUMNS, source=source(), format="binary"
    )


async def _copy_keys(
    connection: asyncpg.Connection[Any], resolution: Resolution, recorded_at: datetime
) -> None:
    if resolution.keys:
        columns, rows = key_rows(resolution, recorded_at)
        await connection.copy_records_to_table(
            "idempotency", schema_name="segments", columns=columns, records=rows
        )


async def _find_unstorable(
    connection: asyncpg.Connection[Any],
    events: list[ValidCommand],
    batch: Batch,
    recorded_at: datetime,
) -> list[tuple[ValidCommand, str]]:
    """Halve until each value that Postgres refuses is isolated; nothing stays inserted."""
    try:
        async with connection.transaction():
            await _copy_events(connection, events, batch, recorded_at)
            raise _UndoError  # noqa: TRY301 - the way out of a savepoint
    except _UndoError:
        return []
    except asyncpg.UniqueViolationError:
        if len(events) == 1:
            return []
    except asyncpg.PostgresError as error:
        if not _refuses_value(error):
            raise
        if len(events) == 1:
            return [(events[0], f"Postgres refuses it: {error.sqlstate}")]
    half = len(events) // 2
    return [
        *await _find_unstorable(connection, events[:half], batch, recorded_at),
        *await _find_unstorable(connection, events[half:], batch, recorded_at),
    ]


class _UndoError(Exception):
    """Roll back to the savepoint."""
