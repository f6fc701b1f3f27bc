"""Retries of rejected records: the same bytes are published again, with their first receipt in `segments-origin`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.command.refusal import Reason
from schemas.position import Position
from service.kafka.publish import Sender, enqueue
from service.log.origins import find_first_receipts
from service.operations.rejected import show_rejected
from service.postgres.database import give_longer, statements
from service.runtime.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    import asyncpg
    from aiokafka import AIOKafkaProducer

    from service.runtime.settings import Settings

SQL = statements("service.operations.sql")
NEVER = {
    Reason.CONFLICT: "another command has its identity. Publish it with another time, reference or idempotency key",
    Reason.NOT_JSON: "the same bytes are no JSON again. Mend the publisher, and publish the command anew",
    Reason.TOO_LARGE: "the same bytes are too large again. Publish the command with less metadata",
    Reason.TOMBSTONE: "a null value says nothing. Publish leave, block or reset to remove a user",
}
"""The reasons that stay, whatever is mended in the registry or the rules."""
MOST_RETRIES = 10
"""The retries of retries that may lead to a record: more are no mending, but a loop."""
LEFT_OUT = {
    "never": "no record with this reason is retried",
    "no_payload": "it has no payload: a part of an unreadable batch, or erased",
    "replayed": "it was replayed: replay it again from the first installation",
    "too_often": f"it was retried {MOST_RETRIES} times in a row",
}
_SECONDS = 600
# A record may have a megabyte.
_PAGE = 32


class Selection(NamedTuple):
    """Rejected records that were not retried yet. A field that is None selects all. Times are of their receipt."""

    reason: str | None = None
    network_id: str | None = None
    segment_id: int | None = None
    topic: str | None = None
    received_from: datetime | None = None
    received_before: datetime | None = None


async def check_retry(
    connection: asyncpg.Connection[Any], row: asyncpg.Record, position: Position
) -> None:
    """Check that a rejected record can be retried. Raises: RefusedError, with what to do instead."""
    if row["payload"] is None and row["reason"] != Reason.TOMBSTONE:
        raise RefusedError(
            f"{position} has no payload: it was part of an unreadable batch, or was erased."
        )
    if "@" in _kept(row).get("segments-origin", ""):
        # A retry would lose who sent it, and pass by the rule of its topic.
        raise RefusedError(
            f"{position} was replayed from another installation. Replay it again, once its reason is mended."
        )
    if row["reason"] in NEVER:
        raise RefusedError(f"{position} was rejected as {row['reason']}: {NEVER[row['reason']]}.")
    retries = await connection.fetchval(
        "SELECT segments.retries_before($1, $2)", row["lane_id"], row["kafka_offset"]
    )
    if retries >= MOST_RETRIES:
        raise RefusedError(
            f"{position} was retried {retries} times in a row. Mend what its reason names, and retry the first record."
        )


async def retry_rejected(
    connection: asyncpg.Connection[Any],
    producer: AIOKafkaProducer,
    settings: Settings,
    position: Position,
    actor: str | None,
) -> dict[str, Any]:
    """Retry one rejected record, and record the retry.

    Returns: kafka_topic, kafka_partition, kafka_epoch and kafka_offset of the new record, and retry_of.
    Raises: NotThereError; RefusedError if it can't be retried.
    """
    row = await show_rejected(connection, position)
    await check_retry(connection, row, position)
    (new,) = await _publish(connection, producer, settings, [row], actor)
    return {
        "kafka_topic": new.topic,
        "kafka_partition": new.partition,
        "kafka_epoch": new.epoch,
        "kafka_offset": new.offset,
        "retry_of": str(position),
    }


async def read_open_epoch(connection: asyncpg.Connection[Any], topic: str, partition: int) -> int:
    """Return the epoch of a partition's open lane; 0 before ingest has opened it."""
    epoch: int = await connection.fetchval(SQL["open_epoch"], topic, partition)
    return epoch


async def count_retriable(
    connection: asyncpg.Connection[Any], selection: Selection, until: datetime
) -> list[dict[str, Any]]:
    """Count a selection: reason, topic, records, and left_out, which says why they can't be retried, else None.

    until: records that were recorded later are not selected.
    """
    counted = await _select(connection, "count_retriable", *_parameters(selection, until))
    return [{**row, "left_out": row["left_out"] and LEFT_OUT[row["left_out"]]} for row in counted]


async def retry_selected(
    connection: asyncpg.Connection[Any],
    producer: AIOKafkaProducer,
    settings: Settings,
    selection: Selection,
    until: datetime,
    actor: str | None,
) -> AsyncIterator[int]:
    """Retry the records of a selection, in the order of their lanes; yield how many, page by page.

    until: as for `count_retriable`, so that a record which this rejects again is not selected. What was published is
    recorded after each page; if it is interrupted, a page may be published twice, as duplicates.
    """
    last = (0, -1)
    parameters = _parameters(selection, until)
    while rows := await _select(connection, "retriable_page", *parameters, *last, _PAGE):
        await _publish(connection, producer, settings, rows, actor)
        last = (rows[-1]["lane_id"], rows[-1]["kafka_offset"])
        yield len(rows)


async def _select(
    connection: asyncpg.Connection[Any], name: str, *parameters: Any
) -> list[asyncpg.Record]:
    """Run a statement that may read all rejected records."""
    async with connection.transaction():
        await give_longer(connection, _SECONDS)
        return await connection.fetch(SQL[name], *parameters, timeout=_SECONDS)


def _parameters(selection: Selection, until: datetime) -> tuple[Any, ...]:
    return *selection, until, list(NEVER), MOST_RETRIES


async def _publish(
    connection: asyncpg.Connection[Any],
    producer: AIOKafkaProducer,
    settings: Settings,
    rows: Sequence[asyncpg.Record],
    actor: str | None,
) -> list[Position]:
    """Publish rejected records again, and record the retries; return the new positions."""
    kept = [_kept(row) for row in rows]
    origins = await _first_receipts(connection, rows, kept)
    waiting = []
    for row, headers, origin in zip(rows, kept, origins, strict=True):
        extra = [("segments-origin", str(origin).encode())]
        if "idempotency-key" in headers:
            extra.append(("idempotency-key", headers["idempotency-key"].encode()))
        sender = Sender("retry", actor)
        waiting.append(
            await enqueue(
                producer, settings, row["record_key"], row["payload"], sender, tuple(extra)
            )
        )
    sent = [await one for one in waiting]
    lanes = {(one.topic, one.partition) for one in sent}
    epochs = {lane: await read_open_epoch(connection, *lane) for lane in lanes}
    new = [Position(*one[:2], epochs[one.topic, one.partition], one.offset) for one in sent]
    await connection.executemany(
        SQL["note_retry"],
        [
            (row["lane_id"], row["kafka_offset"], actor, row["network_id"], str(position))
            for row, position in zip(rows, new, strict=True)
        ],
    )
    return new


async def _first_receipts(
    connection: asyncpg.Connection[Any],
    rows: Sequence[asyncpg.Record],
    kept: Sequence[dict[str, str]],
) -> list[Position]:
    """Return the position of each record's first receipt: of its origin header if that is correct, else its own."""
    positions = [
        Position(*(row[f"kafka_{name}"] for name in ("topic", "partition", "epoch", "offset")))
        for row in rows
    ]
    stated = [_origin(headers, own) for headers, own in zip(kept, positions, strict=True)]
    correct = await find_first_receipts(
        connection, [(one, row["payload"]) for one, row in zip(stated, rows, strict=True)]
    )
    return [stated[nth] if nth in correct else positions[nth] for nth in range(len(positions))]


def _kept(row: asyncpg.Record) -> dict[str, str]:
    """Return the headers that have an effect. A replay's origin is among them only if it was signed: see `log.rows`."""
    return json.loads(row["headers"]) if row["headers"] else {}


def _origin(kept: dict[str, str], own: Position) -> Position:
    try:
        return Position.parse(kept.get("segments-origin", ""))
    except ValueError:
        return own
