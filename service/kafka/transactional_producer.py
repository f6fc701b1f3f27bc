"""A producer that ends all earlier ones of its name: Kafka itself refuses whatever they still have to say.

A transactional id has one living producer. When a new one starts, the coordinator aborts what an earlier one began, and
from then on the brokers refuse its batches and its commit, wherever they were held up: in a process that was stopped,
in a socket, in a broker that stood still. Source: Kafka's documentation of `transactional.id`; KIP-98.
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
    """Key, value, and the partition; None: the partitioner's."""

# A cluster's first transaction waits until its brokers have made the topic for them.
START_SECONDS = 30
# What one transaction may take; then it is given up.
SECONDS = 8
# Should nobody come after us: for so long an open transaction hides from others what comes after it.
TRANSACTION_SECONDS = 20
CLOSE_SECONDS = 1
BATCH_BYTES = 131_072


class TransactionalProducer:
    """Publishes in transactions. After an error it is of no more use: what became of its records is not known."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    @property
    def client(self) -> AIOKafkaClient:
        """The client underneath, for questions about topics."""
        client: AIOKafkaClient = self._producer.client
        return client

    async def publish(self, topic: str, records: Sequence[Record]) -> None:
        """Publish all in one transaction, in their order, and wait for the broker.

        Raises: ProducerFenced when another one has started; other KafkaErrors, after 8 s at the latest.
        """
        if not records:
            return
        try:
            async with asyncio.timeout(SECONDS):
                await self._transact(topic, records)
        except TimeoutError as error:
            raise KafkaTimeoutError(f"not taken by the brokers within {SECONDS} s") from error
        except (AssertionError, IllegalOperation) as error:
            # aiokafka's words for going on with a transaction that was refused meanwhile.
            raise KafkaError(f"the transaction was refused: {error}") from error

    async def _transact(self, topic: str, records: Sequence[Record]) -> None:
        await self._producer.begin_transaction()
        # Should it fail twice, aiokafka forgets the first one.
        self._producer._txn_manager.wait_for_transaction_end().add_done_callback(_look_at)  # noqa: SLF001
        sent = []
        for key, value, partition in records:
            future = await self._producer.send(topic, value, key, partition=partition)
            future.add_done_callback(_look_at)
            sent.append(future)
        # aiokafka would commit although one of them had failed.
        await asyncio.gather(*sent)
        await self._producer.commit_transaction()


@asynccontextmanager
async def fenced(settings: Settings, transactional_id: str) -> AsyncIterator[TransactionalProducer]:
    """Run the one producer of this name while the block runs; earlier ones can add nothing any more once it began.

    At the end it is closed at once, and what it still held is dropped.
    Raises: KafkaRefusedError; KafkaConnectionError when the brokers are away or give no transactional producer.
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
    """Close without flushing: aiokafka's `stop` waits until all is told, and for ever where the broker is away."""
    sender = producer._sender.sender_task  # noqa: SLF001
    if sender is not None:
        sender.cancel()
    # What is in flight fails now; bytes that a stalled broker does not take are not waited for.
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await producer.client.close()
    if sender is not None:
        await _end(sender, producer.client)
        ended = producer._txn_manager.wait_for_transaction_end()  # noqa: SLF001
        if ended is not None and ended.done():
            _look_at(ended)
    _fail_all(producer._message_accumulator)  # noqa: SLF001
    producer._closed = True  # noqa: SLF001 - else it laments that nobody closed it


def _fail_all(unsent: MessageAccumulator) -> None:
    """Fail what was not sent, as an ended sender has done before us; nobody waits for these batches to go any more."""
    unsent.fail_all(ProducerClosed())
    for batch in chain(*unsent._batches.values(), unsent._pending_batches):  # noqa: SLF001
        _look_at(batch._drain_waiter)  # noqa: SLF001


async def _end(sender: asyncio.Task[None], client: AIOKafkaClient) -> None:
    """Wait for a cancelled sender: for its requests, and these perhaps for metadata that nobody asks for any more."""
    for turn in count():
        done, _ = await asyncio.wait([sender], timeout=CLOSE_SECONDS / 5)
        if done:
            _look_at(sender)
            return
        metadata = client._md_update_fut  # noqa: SLF001
        if metadata is not None and not metadata.done():
            metadata.set_result(False)
        if turn >= 5:  # noqa: PLR2004 - it looks for the coordinator, which it would do for ever
            sender.cancel()


def _look_at(future: asyncio.Future[Any]) -> None:
    """Look whether it failed, so that one which nobody waits for any more is not lamented as unseen."""
    if future.done() and not future.cancelled():
        future.exception()
