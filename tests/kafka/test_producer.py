# ruff: noqa: SLF001 - what is tested are its private parts
"""aiokafka's producer, where its own bookkeeping raises."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition

from service.kafka.aiokafka_internals import forget_sent_once


async def test_a_batch_that_ends_while_it_waits_for_its_second_try_raises_nothing() -> None:
    heard: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: heard.append(context))
    producer = AIOKafkaProducer()
    forget_sent_once(producer)
    accumulator = producer._message_accumulator
    try:
        future = await accumulator.add_message(TopicPartition("t", 0), None, b"value", timeout=1)
        sent = accumulator._pop_batch(TopicPartition("t", 0))
        accumulator._batches[TopicPartition("t", 0)].append(sent)
        accumulator.reenqueue(sent)
        accumulator.fail_all(ConnectionError("gone"))
        await asyncio.wait([future])
        await asyncio.sleep(0)  # its callbacks run
    finally:
        producer._closed = True
    assert isinstance(future.exception(), ConnectionError)
    assert heard == []
