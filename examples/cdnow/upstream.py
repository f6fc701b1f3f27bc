"""Publishing as any upstream would: a Kafka producer, the record key given, every broker asked."""

import asyncio
import time
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer

from examples.cdnow.commands import Record


async def publish(bootstrap_servers: str, topic: str, records: Iterable[Record]) -> float:
    """Publish records in their order; give the seconds until the broker had acknowledged all.

    One user's records share a key, so they lie in one partition in this order. The producer is
    idempotent: what it sends again by itself is not written twice.
    """
    began = time.perf_counter()
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=5,
    ) as producer:
        on_their_way = [
            await producer.send(topic, value=record.value, key=record.key) for record in records
        ]
        await asyncio.gather(*on_their_way)
    return time.perf_counter() - began
