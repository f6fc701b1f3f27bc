"""Rejected records: list, show, retry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from schemas.position import Position
from service.kafka.publish import Sender, publish
from service.log.origins import find_first_receipts
from service.postgres.database import statements
from service.runtime.errors import NotThereError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg
    from aiokafka import AIOKafkaProducer

    from service.runtime.settings import Settings

SQL = statements("service.operations.sql")


async def list_rejected(
    connection: asyncpg.Connection[Any],
    *,
    reason: str | None = None,
    network_id: str | None = None,
    retried: bool = True,
    limit: int = 100,
) -> Sequence[asyncpg.Record]:
    """List rejected records, newest first."""
    return await connection.fetch(SQL["list_rejected"], reason, network_id, retried, limit)


async def show_rejected(connection: asyncpg.Connection[Any], position: Position) -> asyncpg.Record:
    """Return one rejected record with record_key, headers and lane_id; within a rejected batch, its only row.

    Raises: NotThereError if there is none.
    """
    row: asyncpg.Record | None = await connection.fetchrow(SQL["show_rejected"], *position)
    if row is None:
        raise NotThereError(f"There is no rejected record at {position}.")
    return row


def refuse_without_payload(row: asyncpg.Record, position: Position) -> None:
    """Check that a rejected record can be retried. Raises: RefusedError if there are no bytes to publish."""
    if row["payload"] is None:
        raise RefusedError(
            f"{position} has no payload: it was a tombstone, part of an unreadable batch, or was erased."
        )


async def retry_rejected(
    connection: asyncpg.Connection[Any],
    producer: AIOKafkaProducer,
    settings: Settings,
    position: Position,
    actor: str | None,
) -> dict[str, Any]:
    """Publish a rejected record's bytes again, with its first receipt in `segments-origin`, and record the retry.

    Returns: kafka_topic, kafka_partition, kafka_epoch and kafka_offset of the new record, and retry_of.
    Raises: NotThereError, RefusedError if there are no bytes to publish.
    """
    row = await show_rejected(connection, position)
    refuse_without_payload(row, position)
    kept = json.loads(row["headers"]) if row["headers"] else {}
    origin = await _first_receipt(connection, position, row["payload"], kept)
    extra = [("segments-origin", str(origin).encode())]
    if "idempotency-key" in kept:
        extra.append(("idempotency-key", kept["idempotency-key"].encode()))
    sent = await publish(
        producer, settings, row["record_key"], row["payload"], Sender("retry", actor), tuple(extra)
    )
    epoch = await connection.fetchval(SQL["open_epoch"], sent.topic, sent.partition)
    new = Position(sent.topic, sent.partition, epoch, sent.offset)
    await connection.execute(
        SQL["note_retry"],
        row["lane_id"], row["kafka_offset"], actor, row["network_id"], str(new),
    )  # fmt: skip
    return {
        "kafka_topic": new.topic,
        "kafka_partition": new.partition,
        "kafka_epoch": new.epoch,
        "kafka_offset": new.offset,
        "retry_of": str(position),
    }


async def _first_receipt(
    connection: asyncpg.Connection[Any], position: Position, payload: bytes, kept: dict[str, str]
) -> Position:
    """Return the position of the first receipt: the record's origin header if it is correct, else this position."""
    try:
        origin = Position.parse(kept.get("segments-origin", ""))
    except ValueError:
        return position
    return origin if await find_first_receipts(connection, [(origin, payload)]) else position
