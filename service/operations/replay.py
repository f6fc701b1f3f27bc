"""Replays events as commands to a topic that another installation reads, which comes to the same states."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.headers import ORIGIN
from schemas.position import Position
from service.kafka.clients import partitions_there, topics_of
from service.kafka.publish import Sender, enqueue, record_key
from service.log.expire_events import NamedStatement
from service.log.identity import AUTO
from service.log.origins import Replay
from service.postgres.database import statements
from service.runtime.errors import RefusedError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator
    from datetime import datetime

    import asyncpg
    from aiokafka import AIOKafkaProducer

    from service.runtime.settings import Settings

SQL = statements("service.operations.sql")
SECONDS = 24 * 3600
"""The time limit: Postgres sorts the events first, in files of its own."""
_PAGE = 500
_EXPIRE = "expire"


class ReplaySelection(NamedTuple):
    """Events to replay. A field that is None selects all."""

    network_id: str | None = None
    segment_id: int | None = None
    recorded_from: datetime | None = None
    recorded_before: datetime | None = None


async def check_topic(connection: asyncpg.Connection[Any], settings: Settings, topic: str) -> None:
    """Check that events can be replayed to a topic. Raises: RefusedError, with what to do."""
    if settings.signing_secret is None:
        raise RefusedError(
            "SEGMENTS_SIGNING_KEY is not set. Set the key of the installation that reads the topic:"
            " it believes no other."
        )
    if topic in topics_of(settings) or await connection.fetchval(SQL["is_own_topic"], topic):
        raise RefusedError(f"This installation itself uses {topic}: name a topic of another one.")
    if (await partitions_there(settings, [topic]))[topic] is None:
        raise RefusedError(f"There is no topic {topic}: the installation that reads it creates it.")


async def count_replayed(connection: asyncpg.Connection[Any], selection: ReplaySelection) -> int:
    """Count the events of a selection."""
    count: int = await connection.fetchval(SQL["count_replayed"], *selection, timeout=SECONDS)
    return count


async def replay(
    connection: asyncpg.Connection[Any],
    producer: AIOKafkaProducer,
    settings: Settings,
    topic: str,
    selection: ReplaySelection,
) -> AsyncIterator[int]:
    """Publish events as commands, in the order of their receipt; yield how many the broker has acknowledged.

    The connection is in a transaction, whose snapshot is replayed; memory is bounded.
    """
    waiting: list[asyncio.Future[Any]] = []
    done = 0
    cursor = connection.cursor(SQL["replayed_events"], *selection, prefetch=_PAGE, timeout=SECONDS)
    async for row in cursor:
        key = record_key(row["network_id"], row["user_id"])
        waiting.append(
            await enqueue(
                producer, settings, key, _value(row), _sender(row),
                ((ORIGIN, str(_first_receipt(row)).encode()),), topic,
            )
        )  # fmt: skip
        if len(waiting) == _PAGE:
            done += await _acknowledged(waiting)
            yield done
    done += await _acknowledged(waiting)
    yield done


async def _acknowledged(waiting: list[asyncio.Future[Any]]) -> int:
    for one in waiting:
        await one
    count = len(waiting)
    waiting.clear()
    return count


def _value(row: asyncpg.Record) -> bytes:
    """Return the command: as it was sent, without what the log derived, and less what an erasure blanked."""
    reference_id = row["reference_id"]
    command = {
        "network_id": row["network_id"],
        "user": row["user_sent"] or row["user_id"],
        "segment_id": row["segment_id"],
        "user_status": row["user_status"],
        "reference_id": None if reference_id.startswith(AUTO) else reference_id,
        "status_change_timestamp": None if row["discriminator"] else row["time"],
        "expires_at": row["expires_at"],
        "description": row["description"],
    }
    text = json.dumps(
        {name: value for name, value in command.items() if value is not None},
        ensure_ascii=False, separators=(",", ":"),
    )  # fmt: skip
    if row["metadata"] is not None:  # as it was sent, so that no number changes
        text = f'{text[:-1]},"metadata":{row["metadata"]}}}'
    return text.encode()


def _first_receipt(row: asyncpg.Record) -> Replay:
    """Return the position that the log key holds; where a time was given, any would do."""
    own = Position(row["topic"], row["partition"], row["epoch"], row["kafka_offset"])
    first = Position.parse(row["discriminator"]) if row["discriminator"] else own
    return Replay(first, row["time"], row["is_erased"])


def _sender(row: asyncpg.Record) -> Sender:
    """Return source and actor as they were, and the request; of an expire the statement that lapses."""
    request_id = row["request_id"]
    if row["user_status"] == _EXPIRE:
        reference_id = row["named_reference_id"]
        derived = reference_id is not None and reference_id.startswith(AUTO)
        request_id = str(
            NamedStatement(
                row["named_time"], None if derived else reference_id, row["named_discriminator"]
            )
        )
    return Sender(row["source"], row["actor"], request_id)
