"""Rejected records: list, show, and publish again what was mended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from schemas.position import Position
from service.kafka.publish import Sender, publish
from service.log.origins import find_first_receipts
from service.runtime.errors import NotThereError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg
    from aiokafka import AIOKafkaProducer

    from service.runtime.settings import Settings

_LIST = """
SELECT kafka_topic, kafka_partition, kafka_epoch, kafka_offset, received_at, recorded_at, reason, detail,
    network_id, reference_id, retried_at
FROM reporting.rejected
WHERE ($1::text IS NULL OR reason = $1) AND ($2::text IS NULL OR network_id = $2)
    AND (retried_at IS NULL OR $3)
ORDER BY recorded_at DESC, kafka_topic, kafka_partition, kafka_offset DESC LIMIT $4
"""
_SHOW = """
SELECT r.*, x.lane_id, x.record_key, x.headers
FROM segments.lane AS l
INNER JOIN segments.rejected AS x ON x.lane_id = l.lane_id AND x.kafka_offset = segments.rejected_at(l.lane_id, $4)
INNER JOIN reporting.rejected AS r
    ON r.kafka_topic = l.topic AND r.kafka_partition = l.partition AND r.kafka_epoch = l.epoch
    AND r.kafka_offset = x.kafka_offset
WHERE l.topic = $1 AND l.partition = $2 AND l.epoch = $3
"""


async def list_rejected(
    connection: asyncpg.Connection[Any],
    *,
    reason: str | None = None,
    network_id: str | None = None,
    retried: bool = True,
    limit: int = 100,
) -> Sequence[asyncpg.Record]:
    """List rejected records, newest first."""
    return await connection.fetch(_LIST, reason, network_id, retried, limit)


async def show_rejected(connection: asyncpg.Connection[Any], position: Position) -> asyncpg.Record:
    """Give one rejected record whole, with record_key, headers and lane_id; of a batch that has one row, that.

    Raises: NotThereError when none lies there.
    """
    row: asyncpg.Record | None = await connection.fetchrow(_SHOW, *position)
    if row is None:
        raise NotThereError(f"No rejected record lies at {position}.")
    return row


async def retry_rejected(
    connection: asyncpg.Connection[Any],
    producer: AIOKafkaProducer,
    settings: Settings,
    position: Position,
    actor: str | None,
) -> dict[str, Any]:
    """Publish a rejected record's bytes again, with its first receipt in `segments-origin`, and record it.

    Returns: kafka_topic, kafka_partition, kafka_offset of the new record, and retry_of.
    Raises: NotThereError, RefusedError when there are no bytes to publish.
    """
    row = await show_rejected(connection, position)
    if row["payload"] is None:
        raise RefusedError(
            f"{position} has no payload: it was a tombstone, lay in a batch that could not be read, or was erased."
        )
    kept = json.loads(row["headers"]) if row["headers"] else {}
    origin = await _first_receipt(connection, position, row["payload"], kept)
    extra = [("segments-origin", str(origin).encode())]
    if "idempotency-key" in kept:
        extra.append(("idempotency-key", kept["idempotency-key"].encode()))
    sent = await publish(
        producer, settings, row["record_key"], row["payload"], Sender("retry", actor), tuple(extra)
    )
    await connection.execute(
        "INSERT INTO segments.retry (lane_id, kafka_offset, actor) VALUES ($1, $2, $3)",
        row["lane_id"], row["kafka_offset"], actor,
    )  # fmt: skip
    return {
        "kafka_topic": sent.topic,
        "kafka_partition": sent.partition,
        "kafka_offset": sent.offset,
        "retry_of": str(position),
    }


async def _first_receipt(
    connection: asyncpg.Connection[Any], position: Position, payload: bytes, kept: dict[str, str]
) -> Position:
    """Say where these bytes were received first: at the origin they came with if that is true, else here."""
    try:
        origin = Position.parse(kept.get("segments-origin", ""))
    except ValueError:
        return position
    return origin if await find_first_receipts(connection, [(origin, payload)]) else position
