"""Where everything stands: lanes, lag, freshness; and waiting until all that is in Kafka is in every projection."""

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
from service.runtime.errors import TopicError

if TYPE_CHECKING:
    import asyncpg

    from service.runtime.settings import Settings

SQL = statements("projections.operations.sql")
ANOTHERS = (
    "The topics {prefix}.* are of another installation, {name}: commands are read from them, and nothing is written"
    " there. `segments setup --adopt-topics` takes them over."
)
UNSIGNED = "SEGMENTS_SIGNING_KEY is not set here: where `segments project` has none either, no override lapses."
# So long a signature that was not believed is warned of.
UNBELIEVED_HOURS = 24
_UNBELIEVED_WHY = {
    "no_key": "ingest has no SEGMENTS_SIGNING_KEY",
    "wrong": "made with a key that ingest does not have, or copied to another topic or record",
    "late": "made more than an hour from when the broker received the record",
    "again": "believed before on another record: a copy",
}
# The ingest asks each second where Kafka ends; a rebalance or a restart may take some.
SEEN_SECONDS = 15
POLL_SECONDS = 0.05


async def read_status(connection: asyncpg.Connection[Any], settings: Settings) -> dict[str, Any]:
    """Give watermark, lanes (rows of freshness with stopped_because), overdue_expiries, warnings, and more.

    topics_owner: whose the topics were when a process last looked; None if none has. incarnation: of Postgres, which is
    another one after each start, failover or restore.
    unbelieved: [{source, cause, records, first_at, last_at}, …] of signatures that were not believed.
    """
    watermark = await connection.fetchrow(SQL["watermark"])
    topics = await all_topics(connection, settings)
    lanes = await connection.fetch(SQL["freshness"], topics)
    warnings = await _unseen(connection, topics)
    warnings += [
        f"Postgres came back older than it was ({row['happened_at']:%Y-%m-%d %H:%M:%S} UTC):"
        f" {row['topic']}-{row['partition']}, {row['detail']} were read again."
        for row in await connection.fetch(SQL["reread"], topics)
    ]
    owner = await connection.fetchrow(SQL["topics_owner"], settings.topic_prefix)
    if owner and not owner["is_ours"]:
        warnings.append(ANOTHERS.format(prefix=settings.topic_prefix, name=owner["installation"]))
    if anew := await connection.fetchrow(SQL["republishing"]):
        warnings.append(f"memberships are to be told anew since {anew[0]}: {anew[1]}")
    expiries = await connection.fetchrow(SQL["overdue"])
    overdue, lapsing = expiries or (0, 0)
    if lapsing and settings.signing_secret is None:
        warnings.append(UNSIGNED)
    unbelieved = [dict(row) for row in await connection.fetch(SQL["unbelieved"], topics)]
    warnings += _of_unbelieved(unbelieved)
    return {
        "watermark": dict(watermark) if watermark else None,
        "lanes": [dict(lane) for lane in lanes],
        "topics_owner": dict(owner) if owner else None,
        "overdue_expiries": overdue,
        "unbelieved": unbelieved,
        "incarnation": await connection.fetchval(INCARNATION),
        "warnings": warnings,
    }


def _of_unbelieved(unbelieved: list[dict[str, Any]]) -> list[str]:
    """Warn of signatures that were not believed lately: what they say was logged as anybody's."""
    since = datetime.now(UTC) - timedelta(hours=UNBELIEVED_HOURS)
    return [
        f"Signatures of source {one['source']} are not believed ({one['records']} records, the last at"
        f" {one['last_at']:%Y-%m-%d %H:%M:%SZ}): {_UNBELIEVED_WHY[one['cause']]}."
        for one in unbelieved
        if one["last_at"] > since
    ]


async def _unseen(connection: asyncpg.Connection[Any], topics: list[str]) -> list[str]:
    """Warn where nobody has looked for a while how far Kafka goes: what lags is not known then."""
    if not await connection.fetchval(SQL["has_lanes"], topics):
        return ["Kafka's end was never seen: no ingest has run yet, or Kafka is away from it."]
    warnings = []
    for row in await connection.fetch(SQL["unseen"], topics, SEEN_SECONDS):
        seen = "never seen" if row["seconds"] is None else f"last seen {row['seconds']} s ago"
        lanes = f"{row['topic']}: {', '.join(map(str, row['partitions']))}"
        warnings.append(
            f"Kafka's end was {seen} ({lanes}): ingest is not running, Kafka is away,"
            " or an open transaction hides it; ingest_behind may be more."
        )
    return warnings


async def end_offsets(
    settings: Settings, connection: asyncpg.Connection[Any] | None = None
) -> dict[TopicPartition, int]:
    """Ask Kafka for the last stable offset of each partition of each topic that is read.

    connection: where the topics are asked for; None: of `<prefix>.commands` alone.
    Raises: TopicError when there is no such topic; one that was revoked may be gone.
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
        found = reader.partitions_for_topic(topic)
        if found:
            return [TopicPartition(topic, number) for number in found]
        await reader._client.force_metadata_update()  # noqa: SLF001
        await asyncio.sleep(POLL_SECONDS)
    raise TopicError(f"There is no topic {topic}; run `segments setup`.")


async def wait_until_folded(
    connection: asyncpg.Connection[Any], settings: Settings, seconds: float
) -> list[dict[str, Any]]:
    """Wait until everything up to each lane's last stable offset at this call is in every projection.

    Returns: the lanes that are not there when the seconds pass, or at once when one of them is stopped:
    topic, partition, end_offset, behind, stopped_because. Empty: all is in.
    Raises: KafkaConnectionError when Kafka hasn't told its offsets a second after the seconds passed.
    """
    deadline = time.monotonic() + seconds
    topics = await all_topics(connection, settings)
    # Asked before: what the log held then lies below the topic's end, or the topic was made anew.
    log = {
        TopicPartition(row["topic"], row["partition"]): row["next_offset"]
        for row in await connection.fetch(SQL["log_offsets"], topics)
    }
    ends = await _end_offsets_within(seconds + 1, settings, connection)
    asked = (
        [lane.topic for lane in ends],
        [lane.partition for lane in ends],
        list(ends.values()),
        [log.get(lane, 0) > end for lane, end in ends.items()],
    )
    while True:
        rows = await connection.fetch(SQL["behind"], topics, *asked)
        behind = [dict(row) for row in rows]
        if (
            not behind
            or any(row["stopped_because"] for row in behind)
            or time.monotonic() > deadline
        ):
            return behind
        await asyncio.sleep(POLL_SECONDS)
