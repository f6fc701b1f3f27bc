"""Kafka clients, and the topics that the service needs."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiokafka.consumer.fetcher
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from schemas.topics import Topics
from service.kafka.aiokafka_internals import (
    BoundedFetchResult,
    LenientMemoryRecords,
    LightPartitionRecords,
    forget_sent_once,
)
from service.kafka.login import login_options, refused, start
from service.kafka.topic_ids import topics_there
from service.runtime.denied import DENIED
from service.runtime.errors import TopicError, WrongUseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from service.runtime.settings import Settings

DAY_MS = 86_400_000
FLUSH_SECONDS = 10

# aiokafka fails on a header name that is not UTF-8, and decompresses batches of any size as a whole; see
# service.kafka.aiokafka_internals.
aiokafka.consumer.fetcher.MemoryRecords = LenientMemoryRecords  # type: ignore[attr-defined]
aiokafka.consumer.fetcher.PartitionRecords = LightPartitionRecords  # type: ignore[misc]
aiokafka.consumer.fetcher.FetchResult = BoundedFetchResult  # type: ignore[misc]


def connection_options(settings: Settings) -> dict[str, Any]:
    """Return the options that consumer, producer and admin client have in common."""
    if not settings.kafka_bootstrap_servers:
        raise WrongUseError("SEGMENTS_KAFKA_BOOTSTRAP_SERVERS is not set.")
    servers = settings.kafka_bootstrap_servers.split(",")
    return {"bootstrap_servers": servers, **login_options(settings)}


@asynccontextmanager
async def producing(
    settings: Settings, linger_ms: int = 2, batch_bytes: int = 16 * 1024
) -> AsyncIterator[AIOKafkaProducer]:
    """Run a producer while the block runs: acks=all, idempotent.

    linger_ms: how long a batch waits for more records; 0: only while another batch is in flight. batch_bytes: the
    maximum size of a batch, unless a single record is larger.
    """
    options = connection_options(settings)
    producer = AIOKafkaProducer(
        **options,
        acks="all",
        enable_idempotence=True,
        linger_ms=linger_ms,
        max_batch_size=batch_bytes,
    )
    forget_sent_once(producer)
    try:
        await start(producer, options)
        yield producer
    finally:
        # An idempotent producer would wait forever for an unavailable broker.
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await producer.stop()


@asynccontextmanager
async def reading(
    settings: Settings, isolation_level: str = "read_committed"
) -> AsyncIterator[AIOKafkaConsumer]:
    """Run a consumer without a group while the block runs, for reads at explicit offsets."""
    options = connection_options(settings)
    reader = AIOKafkaConsumer(
        **options,
        enable_auto_commit=False,
        isolation_level=isolation_level,
        auto_offset_reset="none",
    )
    try:
        await start(reader, options)
        yield reader
    finally:
        await reader.stop()


@asynccontextmanager
async def administering(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Run an admin client while the block runs."""
    options = connection_options(settings)
    admin = AIOKafkaAdminClient(**options)
    try:
        await start(admin, options)
        yield admin
    finally:
        await admin.close()


async def cluster_id(settings: Settings) -> str | None:
    """Return the id of the cluster."""
    async with administering(settings) as admin:
        cluster: str | None = (await admin.describe_cluster())["cluster_id"]
        return cluster


def wanted_config(settings: Settings, topic: str) -> dict[str, str]:
    """Return the required configuration of a topic."""
    topics = Topics(settings.topic_prefix)
    if topic == topics.memberships:
        return {"cleanup.policy": "compact"}
    if topic in (topics.owner, topics.checkpoints):
        return {
            "cleanup.policy": "delete",
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": "-1",
        }
    return {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": str(settings.topic_retention_days * DAY_MS),
        "max.message.bytes": "1048588",
    }


def made_with(settings: Settings, topic: str) -> int:
    """Return the number of partitions that a topic is created with."""
    topics = Topics(settings.topic_prefix)
    return 1 if topic in (topics.owner, topics.checkpoints) else settings.topic_partitions


@dataclass(frozen=True, slots=True)
class TopicFault:
    """A wrong configuration value of a topic."""

    topic: str
    key: str
    wanted: str
    found: str | None

    def __str__(self) -> str:
        """Describe it in one line."""
        return f"topic {self.topic}: {self.key} is {self.found}, must be {self.wanted}; run `segments setup`"


def topics_of(settings: Settings, sources: Sequence[str] = ()) -> list[str]:
    """List the topics of this prefix, and the other command topics (`service.registry.command_topics`)."""
    topics = Topics(settings.topic_prefix)
    return [
        topics.commands, *sources, topics.rejected, topics.memberships, topics.checkpoints, topics.owner,
    ]  # fmt: skip


async def set_up_topics(settings: Settings, sources: Sequence[str] = ()) -> list[str]:
    """Create missing topics and correct the configuration of existing ones; safe to repeat.

    Returns: what was done, one line each.
    Raises: TopicError if the broker refuses.
    """
    async with administering(settings) as admin:
        done = []
        brokers = len((await admin.describe_cluster())["brokers"])
        replication = settings.topic_replication or min(3, brokers)
        for topic in topics_of(settings, sources):
            done += await _set_up_topic(admin, settings, topic, replication)
        return done


async def _set_up_topic(
    admin: AIOKafkaAdminClient, settings: Settings, topic: str, replication: int
) -> list[str]:
    config = wanted_config(settings, topic) | {"min.insync.replicas": str(max(1, replication - 1))}
    partitions = made_with(settings, topic)
    new = NewTopic(topic, partitions, replication, topic_configs=config)
    response: Any = await admin.create_topics([new])
    (name, code, message), *_ = [tuple(error)[:3] for error in response.topic_errors]
    error = for_code(code)
    if code == 0:
        await _until_known(admin, topic)
        return [f"created topic {name} with {partitions} partition{'s'[: partitions - 1]}"]
    if error is not TopicAlreadyExistsError:
        _raise_for(topic, code, message, "created")
    done = []
    if await _faults(admin, settings, topic):
        resource = ConfigResource(
            ConfigResourceType.TOPIC, topic, configs=wanted_config(settings, topic)
        )
        altered: Any
        (altered,) = await admin.alter_configs([resource])
        for code, message, *_ in altered.resources:
            _raise_for(topic, code, message, "changed")
        done.append(f"corrected topic {topic}")
    (description,) = await admin.describe_topics([topic])
    # The partitions of additional command topics are up to their publishers. In the topics that the service writes,
    # keys keep their partitions: in a compacted topic a key that moved would keep a stale value in its old partition.
    commands = Topics(settings.topic_prefix).commands
    if topic == commands and len(description["partitions"]) < partitions:
        await admin.create_partitions({topic: NewPartitions(settings.topic_partitions)})
        done.append(f"grew topic {topic} to {settings.topic_partitions} partitions")
    return done


def _raise_for(topic: str, code: int, message: str | None, what: str) -> None:
    """Raise KafkaRefusedError or TopicError for a response's error code, unless it is 0."""
    error = for_code(code)
    if error in DENIED:
        raise refused(error(topic))
    if code != 0:
        raise TopicError(f"{topic} can't be {what}: {message or error.__name__}")


async def _until_known(admin: AIOKafkaAdminClient, topic: str) -> None:
    """Wait until the broker knows a topic that was just created."""
    for _ in range(100):
        if await _config(admin, topic):
            return
        await asyncio.sleep(0.05)


async def topic_faults(settings: Settings, sources: Sequence[str] = ()) -> list[TopicFault]:
    """List the wrong configuration values of the topics; checked at every start."""
    async with administering(settings) as admin:
        faults = []
        for topic in topics_of(settings, sources):
            faults += await _faults(admin, settings, topic)
        return faults


async def partitions_there(settings: Settings) -> Mapping[str, int | None]:
    """Return the number of partitions of each topic of the prefix; None if it is missing."""
    async with administering(settings) as admin:
        there = await topics_there(admin._client, topics_of(settings))  # noqa: SLF001
    return {name: len(topic.partitions) if topic else None for name, topic in there.items()}


async def _faults(admin: AIOKafkaAdminClient, settings: Settings, topic: str) -> list[TopicFault]:
    config = await _config(admin, topic)
    if not config:
        return [TopicFault(topic, "existence", "created", "missing")]
    return [
        TopicFault(topic, key, wanted, config.get(key))
        for key, wanted in wanted_config(settings, topic).items()
        if config.get(key) != wanted
    ]


async def _config(admin: AIOKafkaAdminClient, topic: str) -> Mapping[str, str]:
    response: Any
    (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    for code, _message, _type, _name, entries in response.resources:
        if for_code(code) in DENIED:
            raise refused(for_code(code)(f"DescribeConfigs of topic {topic}"))
        if code != 0:
            return {}
        return {entry[0]: entry[1] for entry in entries}
    return {}
