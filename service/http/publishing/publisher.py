"""Publishing for the API: one producer, queues that networks share, and an exact `published` for each failure."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from aiokafka import errors
from aiokafka.partitioner import DefaultPartitioner

from schemas.topics import Topics
from service.http.kit.problems import Problem, unavailable
from service.http.publishing.partition_queue import PartitionQueue, Record
from service.http.publishing.room import Room
from service.kafka.clients import producing
from service.kafka.reconnecting_client import ReconnectingClient
from service.kafka.topic_ids import topics_there
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.logs import get_logger
from service.runtime.telemetry import PUBLISH_SECONDS, measures

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from uuid import UUID

    from aiokafka import AIOKafkaProducer
    from aiokafka.producer.message_accumulator import BatchBuilder
    from aiokafka.structs import RecordMetadata

    from service.kafka.topic_ids import Topic
    from service.runtime.settings import Settings

log = get_logger("api.publisher")
# How long a batch may wait for the broker, in ticks of the loop, so that the delay of a busy process does not count.
TICK_SECONDS = 0.1
BROKER_TICKS = 18
# How long a request waits for the metadata of the topic.
METADATA_SECONDS = 1.8
# The largest batch of a partition, in bytes.
BATCH_BYTES = 64 * 1024
# The time limit for a metadata request.
ASK_SECONDS = 1.0
# The broker refused the record itself: it is not in the topic, and the producer remains usable.
_REFUSED = (
    errors.MessageSizeTooLargeError,
    errors.TopicAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.InvalidTopicError,
    errors.UnknownTopicOrPartitionError,
)
_AWAY = "the broker does not answer"
_partition_of = DefaultPartitioner()


class Publisher:
    """Publishes to the commands topic. `run` keeps a producer, and replaces one that is no longer usable.

    Records wait here without a time limit; the producer has one batch of each partition. The producer is idempotent
    and retries for ever: its records will be in Kafka once, when the broker is back. So while a batch hangs nothing
    new is accepted, and records that wait here or are refused are certainly not published.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = Topics(settings.topic_prefix).commands
        self._kept = ReconnectingClient(self._producing, log, "warning")
        self._queues: dict[int, PartitionQueue] = {}
        self._hanging: set[int] = set()
        self._seen: dict[str, Topic | None] = {}
        self.room = Room(settings.http_publish_bytes)
        measures(PUBLISH_SECONDS)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep a producer, and check whether the broker answers, until `stop` is set."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._kept.run(stop))
            tasks.create_task(self._watch(stop))

    @property
    def is_away(self) -> bool:
        """Whether there is no producer, or one of its batches hangs."""
        return self._kept.client is None or bool(self._hanging) or self._kept.is_broken

    @property
    def topic_id(self) -> UUID | None:
        """Kafka's id of the commands topic, by the latest metadata; None if not known yet."""
        topic = self._seen.get(self._topic)
        return None if topic is None else topic.topic_id

    async def ask_topics(self, names: Collection[str]) -> Mapping[str, Topic | None]:
        """Return the topics that have these names now, by the broker of the producer; None for a missing topic.

        Raises: KafkaError, TimeoutError after ASK_SECONDS.
        """
        producer = self._kept.client
        if producer is None:
            raise TimeoutError
        async with asyncio.timeout(ASK_SECONDS):
            there = await topics_there(producer.client, names)
        self._seen |= there
        return there

    async def topics(self, names: Collection[str]) -> Mapping[str, Topic | None]:
        """Return the same, or the latest known ones if the broker does not answer."""
        with suppress(*INFRASTRUCTURE):
            return await self.ask_topics(names)
        return {name: self._seen.get(name) for name in names}

    @asynccontextmanager
    async def _producing(self) -> AsyncIterator[AIOKafkaProducer]:
        try:
            async with producing(self._settings, linger_ms=0, batch_bytes=BATCH_BYTES) as producer:
                await producer.partitions_for(self._topic)
                self._seen |= await topics_there(producer.client, [self._topic])
                yield producer
        finally:
            for queue in self._queues.values():
                if queue.task is not None:
                    queue.task.cancel()
                self._settle(queue.handed, "unknown")
            self._refuse_waiting()
            self._queues.clear()
            self._hanging.clear()

    async def answers(self) -> bool:
        """Whether the broker answers now."""
        producer = self._kept.client
        if producer is None:
            return False
        known: bool = await producer.client.force_metadata_update()
        return known and not self.is_away

    async def submit(self, record: Record) -> None:
        """Queue a record. Its room is already taken, and is released once `sent` is set.

        Raises: Problem 503, `published: no`; the caller then releases the room.
        """
        producer = self._kept.client
        if producer is None or self.is_away:
            raise unavailable("broker_away", _AWAY, "no")
        known = producer.client.cluster.partitions_for_topic(self._topic)
        if known is None:
            known = await self._ask_partitions(producer)
            if self._kept.client is not producer or self.is_away:
                raise unavailable("broker_away", _AWAY, "no")
        partitions = sorted(known)
        partition = _partition_of(record.key, partitions, partitions)
        queue = self._queues.setdefault(partition, PartitionQueue())
        queue.add(record)
        if queue.task is None:
            queue.task = asyncio.create_task(self._send(producer, partition, queue))

    async def _ask_partitions(self, producer: AIOKafkaProducer) -> set[int]:
        """Wait until the topic's partitions are known. Raises: Problem 503, `published: no`."""
        try:
            async with asyncio.timeout(METADATA_SECONDS):
                known: set[int] = await producer.partitions_for(self._topic)
        except TimeoutError:
            raise unavailable("broker_away", _AWAY, "no") from None
        except errors.KafkaError as error:
            if not isinstance(error, _REFUSED):
                self._kept.replace()
            raise unavailable("broker_away", type(error).__name__, "no") from error
        return known

    async def _send(
        self, producer: AIOKafkaProducer, partition: int, queue: PartitionQueue
    ) -> None:
        """Send the records of a partition, one batch at a time."""
        try:
            while queue and not self.is_away:
                batch = producer.create_batch()
                queue.fill(batch)
                await self._send_batch(producer, partition, queue, batch)
        finally:
            queue.task = None

    async def _send_batch(
        self, producer: AIOKafkaProducer, partition: int, queue: PartitionQueue, batch: BatchBuilder
    ) -> None:
        try:
            with PUBLISH_SECONDS.time():
                acknowledged = await producer.send_batch(batch, self._topic, partition=partition)
                sent: RecordMetadata = await acknowledged
        except _REFUSED as error:
            self._settle(queue.handed, "no", type(error).__name__, "broker_refuses")
        except (
            errors.KafkaError,
            AssertionError,
        ) as error:  # aiokafka asserts that the partition exists
            self._kept.replace()
            self._settle(queue.handed, "unknown", type(error).__name__)
            self._refuse_waiting()
        else:
            if sent.offset < 0:  # a retry of a record whose offset the broker no longer knows
                self._settle(
                    queue.handed, "unknown", "published, but the broker did not return its offset"
                )
            for nth, record in enumerate(queue.handed):
                self._answer(record, sent._replace(offset=sent.offset + nth))
        queue.handed = []
        self._hanging.discard(partition)

    async def _watch(self, stop: asyncio.Event) -> None:
        """Count the ticks of the batches in progress, and measure the rate of acknowledgements."""
        loop = asyncio.get_running_loop()
        measured = loop.time()
        while not stop.is_set():
            await asyncio.sleep(TICK_SECONDS)
            now = loop.time()
            self.room.measure(now - measured)
            measured = now
            for partition, queue in self._queues.items():
                queue.ticks += 1
                if queue.handed and queue.ticks >= BROKER_TICKS:
                    self._hanging.add(partition)
                    self._settle(queue.handed, "unknown")
                    self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        """Fail all records that still wait, as not published."""
        for queue in self._queues.values():
            self._settle(queue.clear(), "no")

    def _settle(
        self, records: list[Record], published: str, why: str = _AWAY, reason: str = "broker_away"
    ) -> None:
        for record in records:
            if not record.sent.done():
                self._answer(record, unavailable(reason, why, published))

    def _answer(self, record: Record, sent: RecordMetadata | Problem) -> None:
        """Set a record's result, unless it is set, and release its room."""
        if record.cost:
            self.room.give_back(record.network_id, record.cost, sent=not isinstance(sent, Problem))
            record.cost = 0
        if not record.sent.done():
            record.sent.set_result(sent)
