"""Who tells `<prefix>.memberships`: one process at a time, by a lease; and what it tells with.

The lease only keeps processes from taking turns. That nothing older comes after something newer rests on Kafka alone:
whoever takes the lease starts the topic's one transactional producer and reads what it tells after that, when nothing
of those before can be added any more (docs/decisions/0018).
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiokafka.errors import UnknownTopicOrPartitionError
from aiokafka.partitioner import DefaultPartitioner

from projections.fold.lease import leasing
from schemas.topics import Topics
from service.kafka.topic_ids import topics_there
from service.kafka.transactional_producer import fenced
from service.postgres.database import statements
from service.registry.installation import installation_name
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Sequence

    from service.kafka.topic_ids import Topic
    from service.kafka.transactional_producer import Record, TransactionalProducer
    from service.postgres.database import Database

log = get_logger("projections.membership_outbox")
LEASE_SECONDS = 5
_PARTITIONER = DefaultPartitioner()
TOGETHER = 4000
SQL = statements("projections.outbox.sql")


class Leader:
    """Tells the topic as long as nobody has taken over.

    database: for whoever reads what to tell. lost: set once another process holds the lease. anew: whether the topic
    was to be told as a whole when it began, and keys were shared out among the partitions that are there now.
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
        """Publish in their order, so many in one transaction. After an error this leader must not go on.

        Records without a partition go where their keys belong.
        """
        for start in range(0, len(records), TOGETHER):
            some = [
                (key, value, self.partition_of(key) if partition is None else partition)
                for key, value, partition in records[start : start + TOGETHER]
            ]
            await self._producer.publish(self._topic, some)

    def partition_of(self, key: bytes) -> int:
        """Give the partition where a key belongs: one of those that the topic was made with, whatever was added."""
        partition: int = _PARTITIONER(key, self._partitions, self._partitions)
        return partition

    async def topic_moved(self) -> bool:
        """Whether the topic is not the one any more that this leader tells. Raises: KafkaError."""
        now = (await topics_there(self._producer.client, [self._topic]))[self._topic]
        return now is None or now.is_another(self._is.topic_id)


@asynccontextmanager
async def leading(database: Database) -> AsyncIterator[Leader | None]:
    """Hold the lease while the block runs; gives None when another process holds it. database: of two connections."""
    async with leasing(database, "memberships", LEASE_SECONDS) as lease:
        if lease is None:
            yield None
            return
        async with database.single() as connection:
            names = Topics(database.settings.topic_prefix, await installation_name(connection))
        async with fenced(database.settings, names.teller) as producer:
            topic = (await topics_there(producer.client, [names.memberships]))[names.memberships]
            if topic is None:
                raise UnknownTopicOrPartitionError(f"there is no topic {names.memberships}")
            async with database.single() as connection:
                row = await connection.fetchrow(
                    SQL["meet_topic"], topic.topic_id, len(topic.partitions)
                )
            assert row is not None  # noqa: S101 - the table has its one row
            told = row["partitions"]
            if told != len(topic.partitions):
                log.warning(
                    "partitions of memberships are left empty: its keys keep theirs",
                    used=told, there=len(topic.partitions), fix="segments memberships republish",
                )  # fmt: skip
            yield Leader(database, producer, lease.lost, topic, told, anew=row["republish"])
