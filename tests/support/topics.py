"""Creates, recreates and grows topics, and deletes records."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.errors import TopicAlreadyExistsError, for_code

from schemas.topics import Topics
from service.kafka.clients import connection_options
from service.kafka.topic_ids import topics_there
from tests.support.database import value
from tests.support.waiting import PATIENCE, holds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from uuid import UUID

    from service.runtime.settings import Settings


@asynccontextmanager
async def administered(settings: Settings) -> AsyncIterator[Any]:
    client = AIOKafkaAdminClient(**connection_options(settings))
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def make_commands(
    settings: Settings, partitions: int = 4, config: Mapping[str, str] | None = None
) -> None:
    """Create the commands topic, as soon as one that is being deleted is gone."""
    topic = Topics(settings.topic_prefix).commands
    wanted = {"message.timestamp.type": "LogAppendTime"} if config is None else dict(config)
    async with administered(settings) as client, asyncio.timeout(PATIENCE):
        while True:
            response = await client.create_topics(
                [NewTopic(topic, partitions, 1, topic_configs=wanted)]
            )
            error = for_code(response.topic_errors[0][1])
            if error is not TopicAlreadyExistsError:
                break
            await asyncio.sleep(0.02)
        assert response.topic_errors[0][1] == 0, error
        await holds(lambda: _has_leaders(client, topic, partitions))


async def _has_leaders(client: Any, topic: str, partitions: int) -> bool:
    (described,) = await client.describe_topics([topic])
    partitions_described = described["partitions"]
    return len(partitions_described) == partitions and all(
        p["error_code"] == 0 for p in partitions_described
    )


async def delete_topics(client: Any, *names: str) -> None:
    """Delete topics, and wait until they are gone."""
    await client.delete_topics(list(names))

    async def gone() -> bool:
        return not set(names) & set(await client.list_topics())

    await holds(gone)


async def delete_commands(settings: Settings) -> None:
    async with administered(settings) as client:
        await client.delete_topics([Topics(settings.topic_prefix).commands])


async def _topic_id(client: Any, topic: str) -> UUID | None:
    there = (await topics_there(client._client, [topic]))[topic]  # noqa: SLF001 - as in the service
    return None if there is None else there.topic_id


async def remake_commands(settings: Settings, partitions: int = 4) -> None:
    """Delete the commands topic and create it again, and wait until the broker has the new one.

    Until then the broker accepts records for the old one, which are lost.
    """
    topic = Topics(settings.topic_prefix).commands
    async with administered(settings) as client:
        old = await _topic_id(client, topic)
        await delete_commands(settings)
        await make_commands(settings, partitions)

        async def is_new() -> bool:
            return await _topic_id(client, topic) not in (None, old)

        await holds(is_new)
        await holds(lambda: _has_leaders(client, topic, partitions))


async def grow_commands(settings: Settings, partitions: int) -> None:
    topic = Topics(settings.topic_prefix).commands
    async with administered(settings) as client:
        await client.create_partitions({topic: NewPartitions(partitions)})
        await holds(lambda: _has_leaders(client, topic, partitions))


async def delete_records(settings: Settings, lane: int, before: int) -> None:
    """Delete the records before an offset, as retention does."""
    partition = TopicPartition(Topics(settings.topic_prefix).commands, lane)
    async with administered(settings) as client:
        await client.delete_records({partition: RecordsToDelete(before_offset=before)})


async def members(settings: Settings) -> list[bytes]:
    """Return the assignment of each member of ingest's group, as encoded by the protocol."""
    name = await value(settings, "SELECT segments.installation_name()")
    group = Topics(settings.topic_prefix, name).ingest_group
    async with administered(settings) as client:
        (found,) = await client.describe_consumer_groups([group])
    return [member[4] for member in found.groups[0][5]]
