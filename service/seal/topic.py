"""The topic `<prefix>.checkpoints`: every checkpoint that was signed, the origin as key, in one partition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from schemas.topics import Topics
from service.kafka.clients import reading
from service.kafka.topic_ids import topics_there
from service.runtime.errors import TopicError

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

    from service.runtime.settings import Settings

# The newest checkpoint of a log is among so many records, as each is published before the next is signed.
LAST_RECORDS = 1000


async def publish_checkpoint(
    producer: AIOKafkaProducer, settings: Settings, origin: str, note: str
) -> None:
    """Publish a signed checkpoint; durable on return."""
    topic = Topics(settings.topic_prefix).checkpoints
    await producer.send_and_wait(topic, note.encode(), origin.encode(), partition=0)


async def read_checkpoints(settings: Settings, origin: str) -> list[str]:
    """Read the newest records of an origin, oldest first; whether they are signed is not checked.

    Raises: TopicError if there is no such topic.
    """
    topic = Topics(settings.topic_prefix).checkpoints
    async with reading(settings) as reader:
        if (await topics_there(reader._client, [topic]))[topic] is None:  # noqa: SLF001
            raise TopicError(f"There is no topic {topic}; run `segments setup`.")
        partition = TopicPartition(topic, 0)
        reader.assign([partition])
        start = (await reader.beginning_offsets([partition]))[partition]
        end = (await reader.end_offsets([partition]))[partition]
        reader.seek(partition, max(start, end - LAST_RECORDS))
        notes: list[str] = []
        while await reader.position(partition) < end:
            records = (await reader.getmany(partition, timeout_ms=500)).get(partition, ())
            notes += [
                record.value.decode("utf-8", "replace")
                for record in records
                if record.key == origin.encode() and record.value is not None
            ]
    return notes
