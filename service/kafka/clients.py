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
    describe_cluster,
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
        cluster: str | None = (await describe_cluster(admin))["cluster_id"]
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
    own = (topics.rejected, topics.memberships, topics.checkpoints, topics.owner)
    return list(dict.fromkeys((topics.commands, *sources, *own)))


async def set_up_topics(settings: Settings, sources: Sequence[str] = ()) -> list[str]:
    """Create missing topics and correct the configuration of existing ones; safe to repeat.

    Returns: what was done, one line each.
    Raises: TopicError if the broker refuses.
    """
    async with administering(settings) as admin:
        topics = topics_of(settings, sources)
        created = await _create(admin, settings, topics)
        done = [_created(topic, made_with(settings, topic)) for topic in created]
        existing = [topic for topic in topics if topic not in created]
        for topic in dict.fromkeys(
            fault.topic for fault in await _faults(admin, settings, existing)
        ):
            await _correct(admin, settings, topic)
            done.append(f"corrected topic {topic}")
        # The partitions of additional command topics are up to their publishers. In the topics that the service
        # writes, keys keep their partitions: in a compacted topic a key that moved would keep a stale value in its old
        # partition.
        commands = Topics(settings.topic_prefix).commands
        if commands in existing:
            (described,) = await admin.describe_topics([commands])
            if len(described["partitions"]) < settings.topic_partitions:
                await admin.create_partitions({commands: NewPartitions(settings.topic_partitions)})
                done.append(f"grew topic {commands} to {settings.topic_partitions} partitions")
        return done


def _created(topic: str, partitions: int) -> str:
    return f"created topic {topic} with {partitions} partition{'s'[: partitions - 1]}"


async def _create(
    admin: AIOKafkaAdminClient, settings: Settings, topics: Sequence[str]
) -> list[str]:
    """Create the missing ones of these topics in one request, and wait until the broker knows them; return them."""
    brokers = len((await describe_cluster(admin))["brokers"])
    replication = settings.topic_replication or min(3, brokers)
    in_sync = {"min.insync.replicas": str(max(1, replication - 1))}
    response: Any = await admin.create_topics(
        [
            NewTopic(
                topic,
                made_with(settings, topic),
                replication,
                topic_configs=wanted_config(settings, topic) | in_sync,
            )
            for topic in topics
        ]
    )
    errors = {topic: (code, message) for topic, code, message, *_ in response.topic_errors}
    created = [
        topic for topic in topics if for_code(errors[topic][0]) is not TopicAlreadyExistsError
    ]
    for topic in created:
        _raise_for(topic, *errors[topic], "created")
    for _ in range(100):
        if all((await _configs(admin, created)).values()):
            break
        await asyncio.sleep(0.05)
    return created


async def _correct(admin: AIOKafkaAdminClient, settings: Settings, topic: str) -> None:
    """Set the required configuration of an existing topic."""
    resource = ConfigResource(
        ConfigResourceType.TOPIC, topic, configs=wanted_config(settings, topic)
    )
    altered: Any
    (altered,) = await admin.alter_configs([resource])
    for code, message, *_ in altered.resources:
        _raise_for(topic, code, message, "changed")


def _raise_for(topic: str, code: int, message: str | None, what: str) -> None:
    """Raise KafkaRefusedError or TopicError for a response's error code, unless it is 0."""
    error = for_code(code)
    if error in DENIED:
        raise refused(error(topic))
    if code != 0:
        raise TopicError(f"{topic} can't be {what}: {message or error.__name__}")


async def topic_faults(settings: Settings, sources: Sequence[str] = ()) -> list[TopicFault]:
    """List the wrong configuration values of the topics; checked at every start."""
    async with administering(settings) as admin:
        return await _faults(admin, settings, topics_of(settings, sources))


async def partitions_there(
    settings: Settings, topics: Sequence[str] | None = None
) -> Mapping[str, int | None]:
    """Return the number of partitions of topics (None: of the prefix); None for one that is missing."""
    async with administering(settings) as admin:
        there = await topics_there(admin._client, topics or topics_of(settings))  # noqa: SLF001
    return {name: len(topic.partitions) if topic else None for name, topic in there.items()}


async def _faults(
    admin: AIOKafkaAdminClient, settings: Settings, topics: Sequence[str]
) -> list[TopicFault]:
    faults = []
    for topic, config in (await _configs(admin, topics)).items():
        if not config:
            faults.append(TopicFault(topic, "existence", "created", "missing"))
            continue
        faults += [
            TopicFault(topic, key, wanted, config.get(key))
            for key, wanted in wanted_config(settings, topic).items()
            if config.get(key) != wanted
        ]
    return faults


async def _configs(
    admin: AIOKafkaAdminClient, topics: Sequence[str]
) -> dict[str, Mapping[str, str]]:
    """Return the configuration of each topic; empty for a missing topic."""
    configs: dict[str, Mapping[str, str]] = {topic: {} for topic in topics}
    if not topics:
        return configs
    response: Any
    (response,) = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    )
    for code, _message, _type, topic, entries in response.resources:
        if for_code(code) in DENIED:
            raise refused(for_code(code)(f"DescribeConfigs of topic {topic}"))
        if code == 0:
            configs[topic] = {entry[0]: entry[1] for entry in entries}
    return configs
