"""After an erasure: tombstones on `<prefix>.memberships` for the keys with the erased identifier.

The database no longer contains that identifier. So the whole topic is read, and each key without a state gets a null
value. Then the states are published under the new name, `erased:<n>`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

from schemas.topics import Topics
from service.kafka.clients import reading
from service.postgres.database import statements
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Sequence

    import asyncpg
    from aiokafka import AIOKafkaConsumer
    from aiokafka.structs import ConsumerRecord

    from projections.outbox.leader import Leader
    from service.kafka.transactional_producer import Record
    from service.runtime.settings import Settings

    StatesOf = Callable[[asyncpg.Connection[Any], list[asyncpg.Record]], Awaitable[list[Record]]]

log = get_logger("projections.outbox.tombstones")
SQL = statements("projections.outbox.sql")


async def publish_tombstones(
    leader: Leader,
    stop: asyncio.Event,
    states_of: StatesOf,
    publish_pending: Callable[[], Awaitable[Any]],
) -> None:
    """Publish tombstones if there was an erasure since the last time. After an interruption it starts again.

    states_of: reads the states of keys, as records. publish_pending: publishes recent changes, so that they need not
    wait.
    """
    async with leader.database.single() as connection:
        erasure = await connection.fetchrow(SQL["newest_erasure"])
    if erasure is None:
        return
    newest, incarnation = erasure
    tombstones = await publish_missing_tombstones(leader, stop, publish_pending)
    if tombstones is None:
        return
    async with leader.database.transaction() as connection:
        renamed = await states_of(connection, await connection.fetch(SQL["erased_keys"], newest))
    await leader.publish(renamed)
    async with leader.database.single() as connection:
        await connection.execute(SQL["note_erasure"], newest, incarnation)
    log.info("published tombstones of erased users", keys=tombstones)


async def publish_missing_tombstones(
    leader: Leader,
    stop: asyncio.Event,
    publish_pending: Callable[[], Awaitable[Any]],
    *,
    misplaced: bool = False,
) -> int | None:
    """Read the whole topic, and publish a null value for each key without a state, in the partition of its record.

    misplaced: also for keys in another partition than their own.
    Returns: the number of null values; None after an interruption.
    """
    # All records with an erased identifier are below these ends: this leader publishes no more of them, and no other
    # process can. Aborted records are read too, because some consumers read them.
    async with reading(leader.database.settings, "read_uncommitted") as reader:
        ends = await _ends(reader, leader.database.settings)
        reader.assign(list(ends))
        await reader.seek_to_beginning(*ends)
        tombstones = 0
        while batch := await _next(reader, ends):
            tombstones += await _publish_batch(leader, batch, misplaced=misplaced)
            await publish_pending()
            if stop.is_set() or leader.lost.is_set():
                return None
    return tombstones


async def _publish_batch(
    leader: Leader, records: Sequence[ConsumerRecord[Any, Any]], *, misplaced: bool
) -> int:
    """Publish a null value for each key without a state, in the partition of its record; return their number."""
    async with leader.database.single() as connection:
        stale = await _without_state(connection, records)
    if misplaced:
        strays = {
            (record.key, record.partition)
            for record in records
            if record.key is not None
            and record.value is not None
            and record.partition != leader.partition_of(record.key)
        }
        stale += sorted(strays.difference(stale))
    await leader.publish([(key, None, partition) for key, partition in stale])
    return len(stale)


async def _ends(reader: AIOKafkaConsumer, settings: Settings) -> dict[TopicPartition, int]:
    topic = Topics(settings.topic_prefix).memberships
    await reader._client.force_metadata_update()  # noqa: SLF001 - aiokafka learns topics only by interest
    reader._client.add_topic(topic)  # noqa: SLF001
    await reader._client.force_metadata_update()  # noqa: SLF001
    partitions = reader.partitions_for_topic(topic) or ()
    ends: dict[TopicPartition, int] = await reader.end_offsets(
        [TopicPartition(topic, one) for one in partitions]
    )
    return ends


async def _next(
    reader: AIOKafkaConsumer, ends: dict[TopicPartition, int]
) -> list[ConsumerRecord[Any, Any]]:
    """Return more records below the ends; empty when all were read."""
    while any([await reader.position(one) < end for one, end in ends.items()]):
        fetched = await reader.getmany(timeout_ms=200, max_records=2000)
        records = [record for some in fetched.values() for record in some]
        if records:
            return records
    return []


async def _without_state(
    connection: asyncpg.Connection[Any], records: Sequence[ConsumerRecord[Any, Any]]
) -> list[tuple[bytes, int]]:
    """Select the keys, with their partitions, that have no state."""
    parsed = {
        (record.key, record.partition): key
        for record in records
        if record.value is not None and (key := _key(record.key)) is not None
    }
    if not parsed:
        return []
    keys = list(parsed)
    rows = await connection.fetch(SQL["stale_keys"], *map(list, zip(*parsed.values(), strict=True)))
    return [keys[row[0]] for row in rows]


def _key(raw: bytes | None) -> tuple[str, int, str] | None:
    """Parse `network_id:segment_id:user`; None for a key that the service did not write."""
    try:
        network_id, segment_id, user = (raw or b"").decode().split(":", 2)
        return network_id, int(segment_id), user
    except ValueError:
        return None
