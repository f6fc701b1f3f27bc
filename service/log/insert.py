"""The exact way: settling what a batch's commands are by what the log holds, and inserting its events.

COPY the events and let the unique index object. When it does, ask the log which commands it holds, then COPY the
rest. Those may be asked for beforehand which may well be repeats, or all. Only the index decides: what was asked
decides nothing but the cost. A value that Postgres refuses is isolated by halving, each try in a savepoint.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import asyncpg

from schemas.command.refusal import Reason
from service.log.copy_format import COLUMNS, copy_rows
from service.log.deduplicate import Known, resolve
from service.log.rows import key_rows
from service.log.validate import rejected
from service.postgres.database import REFUSED_VALUE_CLASSES, statements

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.log.batch import Batch
    from service.log.deduplicate import Key, Place, Resolution
    from service.log.validate import ValidCommand

SQL = statements("service.log.sql")
# Of which commands the log is asked before the COPY.
NONE, SUSPECTS, ALL = range(3)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_ONE_MICROSECOND = timedelta(microseconds=1)
_BY_PLACE = attrgetter("place")


async def insert_events(
    connection: asyncpg.Connection[Any], batch: Batch, recorded_at: datetime, asked: int
) -> tuple[Resolution, int]:
    """Insert the batch's events, in a transaction that holds its lane's row.

    asked: of which commands the log is asked before the first try: NONE, SUSPECTS or ALL.
    Returns: what the batch comes to, duplicates and refusals not inserted yet, and what it was of use to ask for.
    """
    candidates = batch.candidates
    while True:
        places, needed = await known_places(connection, candidates, asked)
        keys = await known_keys(connection, candidates)
        resolution = resolve(candidates, batch.lane_id, places, keys)
        try:
            async with connection.transaction():
                await _copy_events(connection, resolution.events, batch, recorded_at)
                await _copy_keys(connection, resolution, recorded_at)
        except asyncpg.UniqueViolationError:
            # Another lane may have been quicker even on the exact way; its rows are visible to the next round.
            asked = ALL
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
    connection: asyncpg.Connection[Any], candidates: list[ValidCommand], asked: int
) -> tuple[dict[Place, Known], int]:
    """Find which of the commands that are asked for the log holds, and what it was of use to ask for: NONE, ….

    Those of archived segments are asked for always: a repeat is a duplicate there too, any other is refused.
    """
    wanted = [
        c
        for c in candidates
        if (asked == ALL or (asked == SUSPECTS and c.suspect) or c.archived)
        and c.segment_key is not None
    ]
    if not wanted:
        return {}, NONE
    rows = await connection.fetch(
        SQL["known_places"],
        *(list(part) for part in zip(*(c.place for c in wanted), strict=True)),
    )
    found = [wanted[row[0]] for row in rows]
    needed = max((SUSPECTS if c.suspect else ALL for c in found), default=NONE)
    return {c.place: Known(*row[1:]) for c, row in zip(found, rows, strict=True)}, needed


async def known_keys(
    connection: asyncpg.Connection[Any], candidates: list[ValidCommand]
) -> dict[Key, Known]:
    """Find what the commands' idempotency keys name already."""
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
    """COPY events in identity order, so that two lanes never wait for each other in a ring."""
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
    """Halve until each value that Postgres refuses stands alone; nothing stays inserted."""
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
