"""The status of lanes and lag, and waiting until every projection contains all records in Kafka."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from schemas.topics import Topics
from service.kafka.clients import reading
from service.postgres.database import statements
from service.postgres.incarnation import INCARNATION
from service.registry.command_topics import all_topics, list_sources
from service.registry.installation import installation_name, read_owners
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.errors import KafkaRefusedError, TopicError

if TYPE_CHECKING:
    import asyncpg

    from service.runtime.settings import Settings

SQL = statements("projections.operations.sql")
ANOTHERS = (
    "The topics {prefix}.* belong to another installation, {name}: commands are read from them, and nothing is"
    " written to them. `segments setup --adopt-topics` takes them over."
)
UNSIGNED = "SEGMENTS_SIGNING_KEY is not set here: where `segments project` has none either, no override lapses."
# How long `status` warns of an invalid signature.
INVALID_SIGNATURE_HOURS = 24
_SIGNATURE_FAULTS = {
    "no_key": "ingest has no SEGMENTS_SIGNING_KEY",
    "wrong": "signed with a key that ingest does not have, or copied to another topic or record",
    "late": "signed more than an hour before or after the receipt",
    "again": "a copy of one that was accepted on another record",
}
# Ingest reads Kafka's end offsets every second; a rebalance or a restart may take longer.
SEEN_SECONDS = 15
POLL_SECONDS = 0.05
OWNER_SECONDS = 5


async def read_status(connection: asyncpg.Connection[Any], settings: Settings) -> dict[str, Any]:
    """Return snapshot, watermark, lanes (rows of freshness with stopped_because), overdue_expiries, warnings, and more.

    topics_owner: the owner of the topics at the last check by a process, or before the first one as read from Kafka;
    None if unknown. incarnation: of Postgres, which changes at each start, failover or restore. invalid_signatures:
    [{source, cause, records, first_at, last_at}, …].
    """
    watermark = await connection.fetchrow(SQL["watermark"])
    topics = await all_topics(connection, settings)
    lanes = await connection.fetch(SQL["freshness"], topics)
    warnings = await _unseen(connection, topics)
    warnings += [
        f"Postgres came back in an older state ({row['happened_at']:%Y-%m-%d %H:%M:%S} UTC):"
        f" {row['topic']}-{row['partition']}, {row['detail']} were read again."
        for row in await connection.fetch(SQL["reread"], topics)
    ]
    row = await connection.fetchrow(SQL["topics_owner"], settings.topic_prefix)
    owner = dict(row) if row else await _owner_in_kafka(connection, settings)
    if owner and not owner["is_ours"]:
        warnings.append(ANOTHERS.format(prefix=settings.topic_prefix, name=owner["installation"]))
    if anew := await connection.fetchrow(SQL["republishing"]):
        warnings.append(
            f"<prefix>.memberships is to be published as a whole, since {anew[0]:%Y-%m-%d %H:%M:%S} UTC: {anew[1]}"
        )
    expiries = await connection.fetchrow(SQL["overdue"])
    overdue, lapsing = expiries or (0, 0)
    if lapsing and settings.signing_secret is None:
        warnings.append(UNSIGNED)
    invalid = [dict(row) for row in await connection.fetch(SQL["invalid_signatures"], topics)]
    warnings += _of_invalid_signatures(invalid)
    return {
        "snapshot": await connection.fetchval("SELECT reporting.snapshot()"),
        "watermark": dict(watermark) if watermark else None,
        "lanes": [dict(lane) for lane in lanes],
        "topics_owner": owner,
        "overdue_expiries": overdue,
        "invalid_signatures": invalid,
        "incarnation": await connection.fetchval(INCARNATION),
        "warnings": warnings,
    }


async def _owner_in_kafka(
    connection: asyncpg.Connection[Any], settings: Settings
) -> dict[str, Any] | None:
    """Read the owner of the topics from Kafka; None without one, or if Kafka does not respond."""
    if settings.kafka_bootstrap_servers is None:
        return None
    try:
        async with asyncio.timeout(OWNER_SECONDS):
            owners = await read_owners(settings)
    except (*INFRASTRUCTURE, KafkaRefusedError):
        return None
    if owners is None or owners.owner is None:
        return None
    owner = owners.owner
    return {
        "installation": owner.installation,
        "is_ours": owner.installation == await installation_name(connection),
        "since": owner.at,
        "actor": owner.actor,
        "seen_at": datetime.now(UTC),
    }


def _of_invalid_signatures(invalid: list[dict[str, Any]]) -> list[str]:
    """Warn of recent signatures that were not accepted: their records were logged without source and actor."""
    since = datetime.now(UTC) - timedelta(hours=INVALID_SIGNATURE_HOURS)
    return [
        f"Signatures of source {one['source']} are not accepted ({one['records']} records, the last at"
        f" {one['last_at']:%Y-%m-%d %H:%M:%SZ}): {_SIGNATURE_FAULTS[one['cause']]}."
        for one in invalid
        if one["last_at"] > since
    ]


async def _unseen(connection: asyncpg.Connection[Any], topics: list[str]) -> list[str]:
    """Warn if Kafka's end offsets were not read recently: the lag is unknown then."""
    if not await connection.fetchval(SQL["has_lanes"], topics):
        return ["Kafka's end offsets are unknown: ingest has not run yet, or can't reach Kafka."]
    warnings = []
    for row in await connection.fetch(SQL["unseen"], topics, SEEN_SECONDS):
        seen = "never read" if row["seconds"] is None else f"last read {row['seconds']} s ago"
        lanes = f"{row['topic']}: {', '.join(map(str, row['partitions']))}"
        warnings.append(
            f"Kafka's end offsets were {seen} ({lanes}): ingest is not running, Kafka is unavailable,"
            " Postgres refuses writes, or an open transaction hides records; ingest_behind may be higher."
        )
    return warnings


async def end_offsets(
    settings: Settings, connection: asyncpg.Connection[Any] | None = None
) -> dict[TopicPartition, int]:
    """Read the last stable offset of each partition of each command topic from Kafka.

    connection: for the list of topics; None: only `<prefix>.commands`.
    Raises: TopicError if a topic does not exist, unless it was revoked.
    """
    changes = {Topics(settings.topic_prefix).commands: "allowed"}
    if connection is not None:
        changes = {one.topic: one.change for one in await list_sources(connection, settings)}
    async with reading(settings) as reader:
        await reader._client.force_metadata_update()  # noqa: SLF001 - aiokafka learns topics only by interest
        there = await reader.topics() if "revoked" in changes.values() else set()
        partitions: list[TopicPartition] = []
        for topic, change in changes.items():
            if change == "allowed" or (change == "revoked" and topic in there):
                partitions += await _partitions(reader, topic)
        return dict(await reader.end_offsets(partitions))


async def _end_offsets_within(
    seconds: float, settings: Settings, connection: asyncpg.Connection[Any]
) -> dict[TopicPartition, int]:
    try:
        async with asyncio.timeout(seconds):
            return await end_offsets(settings, connection)
    except TimeoutError as error:
        raise KafkaConnectionError(
            f"{settings.kafka_bootstrap_servers}: no answer within {seconds:g} s"
        ) from error


async def _partitions(reader: Any, topic: str) -> list[TopicPartition]:
    reader._client.add_topic(topic)  # noqa: SLF001
    for _ in range(50):
        partitions = reader.partitions_for_topic(topic)
        if partitions:
            return [TopicPartition(topic, number) for number in partitions]
        await reader._client.force_metadata_update()  # noqa: SLF001
        await asyncio.sleep(POLL_SECONDS)
    raise TopicError(f"There is no topic {topic}; run `segments setup`.")


async def wait_until_folded(
    connection: asyncpg.Connection[Any], settings: Settings, seconds: float
) -> list[dict[str, Any]]:
    """Wait until every projection contains everything up to each lane's last stable offset at the time of this call.

    Returns: the lanes that are behind after the seconds, or at once if one of them is stopped: topic, partition,
    end_offset, behind, stopped_because. Empty: none.
    Raises: KafkaConnectionError if Kafka has not returned its offsets a second later.
    """
    deadline = time.monotonic() + seconds
    topics = await all_topics(connection, settings)
    # Read before the end offsets: the log's position is then at most the topic's end, unless the topic was recreated.
    log = {
        TopicPartition(row["topic"], row["partition"]): row["next_offset"]
        for row in await connection.fetch(SQL["log_offsets"], topics)
    }
    ends = await _end_offsets_within(seconds + 1, settings, connection)
    targets = (
        [lane.topic for lane in ends],
        [lane.partition for lane in ends],
        list(ends.values()),
        [log.get(lane, 0) > end for lane, end in ends.items()],
    )
    while True:
        rows = await connection.fetch(SQL["behind"], topics, *targets)
        behind = [dict(row) for row in rows]
        if (
            not behind
            or any(row["stopped_because"] for row in behind)
            or time.monotonic() > deadline
        ):
            return behind
        await asyncio.sleep(POLL_SECONDS)
