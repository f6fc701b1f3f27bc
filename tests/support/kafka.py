"""Publishes to the broker and reads from it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.topics import Topics
from service.kafka.clients import connection_options
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka.structs import RecordMetadata

    from service.runtime.settings import Settings


async def publish(
    settings: Settings,
    records: Sequence[Any],
    topic: str | None = None,
    **options: Any,
) -> list[RecordMetadata]:
    """Publish records with `lane` (None: the partitioner's), `key`, `value` and `headers`, in their order."""
    topic = topic or Topics(settings.topic_prefix).commands
    producer = AIOKafkaProducer(
        **connection_options(settings)
        | {"acks": "all", "enable_idempotence": True, "linger_ms": 1}
        | options
    )
    try:
        await producer.start()
        most = max((record.lane or 0 for record in records), default=0)
        # The topic may be new, or the broker just restarted.
        await holds(lambda: _has(producer, topic, most))
        sent = [
            await producer.send(
                topic,
                record.value,
                _key(record),
                partition=record.lane,
                headers=list(record.headers),
            )
            for record in records
        ]
        return list(await asyncio.gather(*sent))
    finally:
        await producer.stop()


async def _has(producer: AIOKafkaProducer, topic: str, partition: int) -> bool:
    return partition in await producer.partitions_for(topic)


def _key(record: Any) -> bytes | None:
    """Return the key; aiokafka sends no record without key and value."""
    key: bytes | None = record.key
    return b"" if key is None and record.value is None else key


class NewRecord:
    """One command to publish, from fields or raw bytes."""

    def __init__(
        self,
        value: bytes | None = None,
        *,
        lane: int | None = None,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        **fields: Any,
    ) -> None:
        self.lane = lane
        self.headers = tuple(headers)
        if fields:
            fields = {
                "network_id": "n",
                "user": "u",
                "segment_id": 1,
                "user_status": "add",
            } | fields
            value = json.dumps({k: v for k, v in fields.items() if v is not ...}).encode()
            key = key or f"{fields['network_id']}:{fields['user']}".encode()
        self.value = value
        self.key = key


async def read_topic(
    settings: Settings, topic: str, isolation_level: str = "read_uncommitted"
) -> list[Any]:
    """Read a topic from its beginning to its end."""
    reader = AIOKafkaConsumer(
        **connection_options(settings), enable_auto_commit=False, isolation_level=isolation_level
    )
    await reader.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.topic_partitions)]
        reader.assign(partitions)
        await reader.seek_to_beginning(*partitions)
        ends = await reader.end_offsets(partitions)
        records: list[Any] = []
        async with asyncio.timeout(PATIENCE):
            while any([await reader.position(one) < end for one, end in ends.items()]):
                for batch in (await reader.getmany(timeout_ms=200)).values():
                    records += batch
        return records
    finally:
        await reader.stop()
