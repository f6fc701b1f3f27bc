"""After an erasure: tombstones on `<prefix>.memberships` for what was told under the identifier that is gone.

Nothing in the database remembers that identifier, not even for this: the topic itself is read through, and each of its
keys that is nobody's state any more gets a null value. Then what stands is told under the new name, `erased:<n>`.
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

log = get_logger("projections.tombstone_outbox")
SQL = statements("projections.outbox.sql")


async def publish_tombstones(
    leader: Leader, stop: asyncio.Event, states_of: StatesOf, tell: Callable[[], Awaitable[Any]]
) -> None:
    """Clean the topic if anybody was erased since the last time; interrupted, it is begun anew.

    states_of: reads the states of given keys, as records. tell: tells what waits, so that it need not until the end.
    """
    async with leader.database.single() as connection:
        found = await connection.fetchrow(SQL["newest_erasure"])
    if found is None:
        return
    newest, incarnation = found
    buried = await bury_strangers(leader, stop, tell)
    if buried is None:
        return
    async with leader.database.transaction() as connection:
        renamed = await states_of(connection, await connection.fetch(SQL["erased_keys"], newest))
    await leader.publish(renamed)
    async with leader.database.single() as connection:
        await connection.execute(SQL["note_erasure"], newest, incarnation)
    log.info("erasures told", keys=buried)


async def bury_strangers(
    leader: Leader,
    stop: asyncio.Event,
    tell: Callable[[], Awaitable[Any]],
    *,
    misplaced: bool = False,
) -> int | None:
    """Read the topic through, and publish a null value for each key that is nobody's state, where its record lies.

    misplaced: also for keys that lie in another partition than theirs.
    Returns: how many; None where it was interrupted.
    """
    # All that was told under an old name lies below these ends: we tell no such thing any more, and nobody else can.
    # Also what was aborted is read, for some consumers do.
    async with reading(leader.database.settings, "read_uncommitted") as reader:
        ends = await _ends(reader, leader.database.settings)
        reader.assign(list(ends))
        await reader.seek_to_beginning(*ends)
        buried = 0
        while batch := await _next(reader, ends):
            buried += await _bury(leader, batch, misplaced=misplaced)
            await tell()
            if stop.is_set() or leader.lost.is_set():
                return None
    return buried


async def _bury(
    leader: Leader, records: Sequence[ConsumerRecord[Any, Any]], *, misplaced: bool
) -> int:
    """Publish a null value for each key that is nobody's, where its record lies; gives how many."""
    async with leader.database.single() as connection:
        nobodys = await _nobodys(connection, records)
    if misplaced:
        strays = {
            (record.key, record.partition)
            for record in records
            if record.key is not None
            and record.value is not None
            and record.partition != leader.partition_of(record.key)
        }
        nobodys += sorted(strays.difference(nobodys))
    await leader.publish([(key, None, partition) for key, partition in nobodys])
    return len(nobodys)


async def _ends(reader: AIOKafkaConsumer, settings: Settings) -> dict[TopicPartition, int]:
    topic = Topics(settings.topic_prefix).memberships
    await reader._client.force_metadata_update()  # noqa: SLF001 - aiokafka learns topics only by interest
    reader._client.add_topic(topic)  # noqa: SLF001
    await reader._client.force_metadata_update()  # noqa: SLF001
    found = reader.partitions_for_topic(topic) or ()
    ends: dict[TopicPartition, int] = await reader.end_offsets(
        [TopicPartition(topic, one) for one in found]
    )
    return ends


async def _next(
    reader: AIOKafkaConsumer, ends: dict[TopicPartition, int]
) -> list[ConsumerRecord[Any, Any]]:
    """Give some more records below the ends; empty when all were read."""
    while any([await reader.position(one) < end for one, end in ends.items()]):
        fetched = await reader.getmany(timeout_ms=200, max_records=2000)
        records = [record for some in fetched.values() for record in some]
        if records:
            return records
    return []


async def _nobodys(
    connection: asyncpg.Connection[Any], records: Sequence[ConsumerRecord[Any, Any]]
) -> list[tuple[bytes, int]]:
    """Pick keys, with their partitions, that are not the key of any state."""
    found = {
        (record.key, record.partition): key
        for record in records
        if record.value is not None and (key := _key(record.key)) is not None
    }
    if not found:
        return []
    keys = list(found)
    rows = await connection.fetch(SQL["stale_keys"], *map(list, zip(*found.values(), strict=True)))
    return [keys[row[0]] for row in rows]


def _key(raw: bytes | None) -> tuple[str, int, str] | None:
    """Read `network_id:segment_id:user`; None for what the service didn't write."""
    try:
        network_id, segment_id, user = (raw or b"").decode().split(":", 2)
        return network_id, int(segment_id), user
    except ValueError:
        return None
