"""A transactional producer, which fences all earlier ones with the same transactional id.

When a new producer starts, the coordinator aborts the transaction of the earlier one, and the brokers refuse its
batches and its commit from then on, wherever they were delayed: in a frozen process, a socket or a stalled broker.
Source: Kafka's documentation of `transactional.id`; KIP-98.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from itertools import chain, count
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    IllegalOperation,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    ProducerClosed,
)

from service.kafka.aiokafka_internals import forget_sent_once
from service.kafka.clients import connection_options
from service.kafka.login import start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from typing import Any

    from aiokafka.client import AIOKafkaClient
    from aiokafka.producer.message_accumulator import MessageAccumulator

    from service.runtime.settings import Settings

    Record = tuple[bytes, bytes | None, int | None]
    """Key, value and partition; None: chosen by the partitioner."""

# A cluster's first transaction waits until the brokers have created the transaction log.
START_SECONDS = 30
# The time limit of one transaction.
SECONDS = 8
# If no other producer follows, an open transaction hides later records from consumers for this long.
TRANSACTION_SECONDS = 20
CLOSE_SECONDS = 1
BATCH_BYTES = 131_072


class TransactionalProducer:
    """Publishes in transactions. Unusable after an error, because the fate of its records is unknown."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    @property
    def client(self) -> AIOKafkaClient:
        """The underlying client, for metadata requests."""
        client: AIOKafkaClient = self._producer.client
        return client

    async def publish(self, topic: str, records: Sequence[Record]) -> None:
        """Publish all records in one transaction, in order, and wait for the broker.

        Raises: ProducerFenced if another producer has started; other KafkaErrors, after 8 s at the latest.
        """
        if not records:
            return
        try:
            async with asyncio.timeout(SECONDS):
                await self._transact(topic, records)
        except TimeoutError as error:
            raise KafkaTimeoutError(f"not acknowledged within {SECONDS} s") from error
        except (AssertionError, IllegalOperation) as error:
            # aiokafka raises these for a transaction that was refused in the meantime.
            raise KafkaError(f"the transaction was refused: {error}") from error

    async def _transact(self, topic: str, records: Sequence[Record]) -> None:
        await self._producer.begin_transaction()
        # aiokafka would drop the first of two errors.
        self._producer._txn_manager.wait_for_transaction_end().add_done_callback(_look_at)  # noqa: SLF001
        sent = []
        for key, value, partition in records:
            future = await self._producer.send(topic, value, key, partition=partition)
            future.add_done_callback(_look_at)
            sent.append(future)
        # aiokafka would commit although a send had failed.
        await asyncio.gather(*sent)
        await self._producer.commit_transaction()


@asynccontextmanager
async def fencing_producer(
    settings: Settings, transactional_id: str
) -> AsyncIterator[TransactionalProducer]:
    """Run the producer of this transactional id while the block runs; earlier ones are fenced from the start.

    At the end it is closed at once, and unsent records are dropped.
    Raises: KafkaRefusedError; KafkaConnectionError if the brokers are unavailable or provide no transactional producer.
    """
    options = connection_options(settings)
    producer = AIOKafkaProducer(
        **options,
        transactional_id=transactional_id,
        transaction_timeout_ms=TRANSACTION_SECONDS * 1000,
        request_timeout_ms=SECONDS * 1000,
        max_batch_size=BATCH_BYTES,
    )
    forget_sent_once(producer)
    try:
        await _start(producer, options)
        yield TransactionalProducer(producer)
    finally:
        await _close(producer)


async def _start(producer: AIOKafkaProducer, options: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            await start(producer, options)
    except TimeoutError as error:
        raise KafkaConnectionError(
            f"no transactional producer within {START_SECONDS} s; does Kafka have as many brokers as its"
            " transaction.state.log.replication.factor says?"
        ) from error


async def _close(producer: AIOKafkaProducer) -> None:
    """Close without flushing: aiokafka's `stop` flushes, and waits forever for an unavailable broker."""
    sender = producer._sender.sender_task  # noqa: SLF001
    if sender is not None:
        sender.cancel()
    # Requests in flight fail now; a stalled broker is not waited for.
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await producer.client.close()
    if sender is not None:
        await _end(sender, producer.client)
        ended = producer._txn_manager.wait_for_transaction_end()  # noqa: SLF001
        if ended is not None and ended.done():
            _look_at(ended)
    _fail_all(producer._message_accumulator)  # noqa: SLF001
    producer._closed = True  # noqa: SLF001 - else it warns that it was not closed


def _fail_all(unsent: MessageAccumulator) -> None:
    """Fail the unsent batches; the sender may have done so already."""
    unsent.fail_all(ProducerClosed())
    for batch in chain(*unsent._batches.values(), unsent._pending_batches):  # noqa: SLF001
        _look_at(batch._drain_waiter)  # noqa: SLF001


async def _end(sender: asyncio.Task[None], client: AIOKafkaClient) -> None:
    """Wait for a cancelled sender to end; its requests may wait for a metadata update that will not come."""
    for turn in count():
        done, _ = await asyncio.wait([sender], timeout=CLOSE_SECONDS / 5)
        if done:
            _look_at(sender)
            return
        metadata = client._md_update_fut  # noqa: SLF001
        if metadata is not None and not metadata.done():
            metadata.set_result(False)
        if turn >= 5:  # noqa: PLR2004 - it is looking up the coordinator, and would do so forever
            sender.cancel()


def _look_at(future: asyncio.Future[Any]) -> None:
    """Retrieve the exception, so that asyncio does not warn that it was never retrieved."""
    if future.done() and not future.cancelled():
        future.exception()
