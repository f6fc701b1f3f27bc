"""Publishes like any upstream service: with a Kafka producer, record keys and acks=all."""

import asyncio
import time
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer

from examples.cdnow.commands import Record


async def publish(bootstrap_servers: str, topic: str, records: Iterable[Record]) -> float:
    """Publish records in order; return the seconds until the broker has acknowledged all.

    One user's records share a key, so they are in one partition in this order. The producer is idempotent: its retries
    are not written twice.
    """
    began = time.perf_counter()
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=5,
    ) as producer:
        sent = [
            await producer.send(topic, value=record.value, key=record.key) for record in records
        ]
        await asyncio.gather(*sent)
    return time.perf_counter() - began
