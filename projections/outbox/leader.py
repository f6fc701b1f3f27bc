"""The leader: the one process that publishes `<prefix>.memberships`, by a lease and a transactional producer.

The lease only keeps processes from alternating. The order of values rests on Kafka alone: a new leader starts the
topic's transactional producer, which fences all earlier ones, and reads the states only after that
(docs/decisions/0018).
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiokafka.errors import UnknownTopicOrPartitionError
from aiokafka.partitioner import DefaultPartitioner

from projections.fold.lease import leasing
from schemas.topics import Topics
from service.kafka.topic_ids import topics_there
from service.kafka.transactional_producer import fencing_producer
from service.postgres.database import statements
from service.registry.installation import installation_name
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Sequence

    from service.kafka.topic_ids import Topic
    from service.kafka.transactional_producer import Record, TransactionalProducer
    from service.postgres.database import Database

log = get_logger("projections.outbox.leader")
LEASE_SECONDS = 5
_PARTITIONER = DefaultPartitioner()
TOGETHER = 4000
SQL = statements("projections.outbox.sql")


class Leader:
    """Publishes the topic until another process takes over.

    database: for reading the states. lost: set when another process holds the lease. anew: whether the topic was to be
    published as a whole at the start, with its keys distributed over all current partitions.
    """

    def __init__(
        self,
        database: Database,
        producer: TransactionalProducer,
        lost: asyncio.Event,
        topic: Topic,
        partitions: int,
        *,
        anew: bool,
    ) -> None:
        self.anew = anew
        self._is = topic
        self._partitions = list(range(partitions))
        self.database = database
        self.lost = lost
        self._producer = producer
        self._topic = Topics(database.settings.topic_prefix).memberships

    async def publish(self, records: Sequence[Record]) -> None:
        """Publish records in order, in transactions of limited size. The leader is unusable after an error.

        Records without a partition go to the partition of their key.
        """
        for start in range(0, len(records), TOGETHER):
            some = [
                (key, value, self.partition_of(key) if partition is None else partition)
                for key, value, partition in records[start : start + TOGETHER]
            ]
            await self._producer.publish(self._topic, some)

    def partition_of(self, key: bytes) -> int:
        """Return the partition of a key, among those that the topic was created with; added ones are not used."""
        partition: int = _PARTITIONER(key, self._partitions, self._partitions)
        return partition

    async def topic_moved(self) -> bool:
        """Whether the topic was deleted or recreated. Raises: KafkaError."""
        now = (await topics_there(self._producer.client, [self._topic]))[self._topic]
        return now is None or now.is_another(self._is.topic_id)


@asynccontextmanager
async def leading(database: Database) -> AsyncIterator[Leader | None]:
    """Hold the lease while the block runs; yields None if another process holds it. database: with two connections."""
    async with leasing(database, "memberships", LEASE_SECONDS) as lease:
        if lease is None:
            yield None
            return
        async with database.single() as connection:
            names = Topics(database.settings.topic_prefix, await installation_name(connection))
        async with fencing_producer(database.settings, names.transactional_id) as producer:
            topic = (await topics_there(producer.client, [names.memberships]))[names.memberships]
            if topic is None:
                raise UnknownTopicOrPartitionError(f"there is no topic {names.memberships}")
            async with database.single() as connection:
                row = await connection.fetchrow(
                    SQL["meet_topic"], topic.topic_id, len(topic.partitions)
                )
            assert row is not None  # noqa: S101 - the table has its one row
            partitions = row["partitions"]
            if partitions != len(topic.partitions):
                log.warning(
                    "added partitions of memberships stay empty",
                    used=partitions, there=len(topic.partitions), fix="segments memberships republish",
                )  # fmt: skip
            yield Leader(database, producer, lease.lost, topic, partitions, anew=row["republish"])
