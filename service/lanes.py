"""What operators do to a lane: go on after its topic was remade, or pass records by. Both are recorded."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from schemas.headers import Reader
from schemas.refusal import Reason
from schemas.topics import Topics
from service.database import transaction
from service.errors import NotThereError, RefusedError
from service.ingest.assignment import find_other_id, find_other_records
from service.kafka import reading
from service.log.allowed import allowed_on
from service.log.identity import record_digest
from service.log.judge import Candidate, RejectedRecord, judge
from service.log.keyed import name_by_keys
from service.log.people import People
from service.log.prepare import LOG_APPEND_TIME, find_holes
from service.log.rows import REJECTED, rejected_row
from service.sources import load_rules, read_topics
from service.topic_ids import topics_there

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg
    from aiokafka import AIOKafkaConsumer

    from service.log.allowed import Allowed
    from service.settings import Settings
    from service.topic_ids import Topic

ROLE = "segments_operate"
LOOK_SECONDS = 10
_NO_TOPIC = "Kafka has no topic {topic}; make it (`segments setup`), or name the right Kafka"
_ALL_OPEN = """
SELECT topic, partition, lane_id, epoch, topic_id, first_offset, next_offset, last_offset, last_timestamp, last_digest,
    stopped_because
FROM segments.lane WHERE topic = ANY ($1::text[]) AND NOT closed ORDER BY topic, partition
"""
_GO_ON = "UPDATE segments.lane SET stopped_because = NULL WHERE lane_id = $1"
_DID = "INSERT INTO segments.lane_event (lane_id, action, reason, actor) VALUES ($1, $2, $3, $4)"
_OPEN = """
SELECT l.lane_id, l.epoch, l.topic_id, l.first_offset, l.next_offset, l.recorded_at, l.last_offset, l.last_timestamp,
    l.last_digest, l.stopped_because,
    (extract(epoch FROM nullif(l.received_at, '-infinity')) * 1000)::bigint AS received_ms,
    greatest(
        clock_timestamp(), l.recorded_at + interval '1 microsecond', l.quiet_at + interval '1 microsecond'
    ) AS now
FROM segments.lane AS l WHERE l.topic = $1 AND l.partition = $2 AND NOT l.closed FOR UPDATE
"""
_ADOPT = """
WITH closed AS (
    SELECT topic, partition, epoch, received_at, recorded_at FROM segments.lane WHERE lane_id = $1
), adopted AS (
    INSERT INTO segments.lane (
        topic, partition, epoch, topic_id, first_offset, next_offset, holes, received_at, recorded_at
    )
    SELECT topic, partition, epoch + 1, $8::uuid, $2::bigint, $3::bigint, $3::bigint - $2::bigint,
        received_at, recorded_at
    FROM closed
    RETURNING lane_id, epoch
), checkpoints AS (
    INSERT INTO projections.checkpoint (projection, slot, lane_id, next_offset, complete_until, recorded_until)
    SELECT c.projection, c.slot, a.lane_id, $2::bigint, c.complete_until, c.recorded_until
    FROM projections.checkpoint AS c CROSS JOIN adopted AS a WHERE c.lane_id = $1
), hole AS (
    INSERT INTO segments.hole (lane_id, first_offset, next_offset, cause, recorded_at)
    SELECT a.lane_id, h.first_offset, h.next_offset, h.cause, $6
    FROM adopted AS a CROSS JOIN (
        VALUES
        ($2::bigint, $7::bigint, 'no longer in the topic when the lane was adopted: retention, or deleted'),
        ($7::bigint, $3::bigint, 'passed by, as an operator chose: ' || $4)
    ) AS h (first_offset, next_offset, cause)
    WHERE h.next_offset > h.first_offset
)
INSERT INTO segments.lane_event (lane_id, action, reason, detail, actor)
SELECT lane_id, 'adopted', $4, 'from offset ' || $3::bigint, $5 FROM adopted RETURNING lane_id
"""
# The open-lane index holds one row per partition, so the old row is closed by a statement of its own.
_CLOSE = "UPDATE segments.lane SET closed = true WHERE lane_id = $1"


async def adopt(
    pool: asyncpg.Pool[Any],
    settings: Settings,
    partition: TopicPartition,
    start: int | None,
    reason: str,
    actor: str | None,
    *,
    force: bool = False,
) -> dict[str, Any]:
    """Begin a new epoch of a partition whose topic was remade, truncated or outran its retention.

    start: the offset to go on from; None: the earliest there is. What lies before it, down to the topic's begin
    or to where the log stood if retention took more, is a hole of the new epoch; two, where retention took some of
    it and the rest was there to be read. A stopped lane whose topic is, after all, what the log has read goes on in
    its epoch where it stands, unless a start is given.
    force: also where the topic still holds what the log has read.
    Returns: kafka_topic, kafka_partition, kafka_epoch, first_offset, next_offset.
    Raises: NotThereError, RefusedError; KafkaConnectionError when Kafka does not answer.
    """
    async with transaction(pool, settings, ROLE) as connection:
        old = await _open_row(connection, partition)
    async with _looking(settings) as reader:
        topic = (await topics_there(reader._client, [partition.topic]))[partition.topic]  # noqa: SLF001
        if topic is None:
            raise RefusedError(f"{_NO_TOPIC.format(topic=partition.topic)}, then adopt.")
        if partition.partition not in topic.partitions:
            raise RefusedError(
                f"{partition.topic} has {len(topic.partitions)} partitions, and no {partition.partition}."
                " `segments lane adopt --all --reason …` closes the lanes that it does not have."
            )
        reader.assign([partition])
        seen = await _see(reader, partition, old, topic)
    if seen.fault is None and start is None and not force and old["stopped_because"] is not None:
        return await _end_stop(pool, settings, partition, old["lane_id"], "resumed", reason, actor)
    start = seen.begin if start is None else start
    last = old["last_offset"]
    if seen.is_as_read and not force and last is not None and start <= last:
        raise RefusedError(
            "The topic holds what the log has read; read anew, commands without a time would count twice."
            " If you know better, say --force."
        )
    if not seen.begin <= start <= seen.end:
        raise RefusedError(
            f"The topic holds offsets {seen.begin} to {seen.end}; {start} is not among them."
        )
    return await _adopt(pool, settings, partition, seen, start, reason, actor)


async def adopt_all(
    pool: asyncpg.Pool[Any], settings: Settings, reason: str, actor: str | None
) -> list[dict[str, Any]]:
    """Let every lane go on that is stopped, or would stop when it is opened.

    One whose topic is another begins a new epoch at the earliest offset, or where the log stands if the topic is a copy
    that has the log's last record at its offset; one whose topic is what the log has read goes on where it stands; one
    that the topic does not have is closed, and no watermark waits for it any more. Of a topic that is not there at all
    nothing is closed.
    Returns: of each such lane kafka_topic, kafka_partition, kafka_epoch, first_offset, next_offset, and `done`:
    adopted, resumed, closed, or `left: …`.
    Raises: KafkaConnectionError when Kafka does not answer.
    """
    async with transaction(pool, settings, ROLE) as connection:
        rows = await connection.fetch(_ALL_OPEN, await read_topics(connection, settings))
    lanes = {TopicPartition(row["topic"], row["partition"]): row for row in rows}
    done = []
    async with _looking(settings) as reader:
        there = await topics_there(reader._client, {lane.topic for lane in lanes})  # noqa: SLF001
        present = [lane for lane in lanes if _has(there[lane.topic], lane)]
        reader.assign(present)
        for lane, row in lanes.items():
            topic = there[lane.topic]
            if topic is None:
                told = _told(lane, row) | {"done": f"left: {_NO_TOPIC.format(topic=lane.topic)}"}
            elif not _has(topic, lane):
                told = await _end_stop(
                    pool, settings, lane, row["lane_id"], "closed", reason, actor
                )
                told["done"] = "closed"
            else:
                seen = await _see(reader, lane, row, topic)
                if seen.fault is not None:
                    is_copy = seen.is_as_read and (row["last_offset"] or -1) >= seen.begin
                    start = row["next_offset"] if is_copy else seen.begin
                    told = await _adopt(pool, settings, lane, seen, start, reason, actor)
                    told["done"] = "adopted"
                elif row["stopped_because"] is not None:
                    told = await _end_stop(
                        pool, settings, lane, row["lane_id"], "resumed", reason, actor
                    )
                    told["done"] = "resumed"
                else:
                    continue
            done.append(told)
    return done


class _Seen(NamedTuple):
    """A partition as Kafka has it beside its lane; fault: what speaks against reading on.

    is_as_read: it holds what the log has read, as far as that did not age out; the topic may be another all the same.
    """

    topic: Topic
    begin: int
    end: int
    fault: str | None
    is_as_read: bool


@asynccontextmanager
async def _looking(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """Give a consumer for a look of some seconds: who waits at a terminal is told that Kafka does not answer."""
    async with reading(settings) as reader:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                yield reader
        except TimeoutError as error:
            raise KafkaConnectionError(
                f"{settings.kafka_bootstrap_servers}: no answer within {LOOK_SECONDS} s"
            ) from error


async def _see(
    reader: AIOKafkaConsumer, lane: TopicPartition, row: asyncpg.Record, topic: Topic
) -> _Seen:
    begin = (await reader.beginning_offsets([lane]))[lane]
    end = (await reader.end_offsets([lane]))[lane]
    fault = await find_other_records(reader, lane, row, begin, end)
    is_as_read = fault is None
    return _Seen(topic, begin, end, fault or find_other_id(lane, row, topic, begin), is_as_read)


async def _adopt(
    pool: asyncpg.Pool[Any],
    settings: Settings,
    partition: TopicPartition,
    seen: _Seen,
    start: int,
    reason: str,
    actor: str | None,
) -> dict[str, Any]:
    """Begin a new epoch at `start`."""
    async with transaction(pool, settings, ROLE) as connection:
        old = await _open_row(connection, partition)
        first = min(seen.begin, old["next_offset"], start)
        await connection.execute(_CLOSE, old["lane_id"])
        await connection.fetchval(
            _ADOPT, old["lane_id"], first, start, reason, actor, old["now"], seen.begin,
            seen.topic.topic_id,
        )  # fmt: skip
    return {
        "kafka_topic": partition.topic,
        "kafka_partition": partition.partition,
        "kafka_epoch": old["epoch"] + 1,
        "first_offset": first,
        "next_offset": start,
    }


async def _end_stop(
    pool: asyncpg.Pool[Any],
    settings: Settings,
    partition: TopicPartition,
    lane_id: int,
    action: Literal["resumed", "closed"],
    reason: str,
    actor: str | None,
) -> dict[str, Any]:
    """Let a stopped lane go on where it stands; or close it, and should its partition come back, begin a new epoch."""
    async with transaction(pool, settings, ROLE) as connection:
        row = await _open_row(connection, partition)
        await connection.execute(_GO_ON if action == "resumed" else _CLOSE, lane_id)
        await connection.execute(_DID, lane_id, action, reason, actor)
    return _told(partition, row)


def _told(lane: TopicPartition, row: asyncpg.Record) -> dict[str, Any]:
    return {
        "kafka_topic": lane.topic,
        "kafka_partition": lane.partition,
        "kafka_epoch": row["epoch"],
        "first_offset": row["first_offset"],
        "next_offset": row["next_offset"],
    }


def _has(topic: Topic | None, lane: TopicPartition) -> bool:
    return topic is not None and lane.partition in topic.partitions


async def _open_row(
    connection: asyncpg.Connection[Any], partition: TopicPartition
) -> asyncpg.Record:
    row: asyncpg.Record | None = await connection.fetchrow(_OPEN, *partition)
    if row is None:
        raise NotThereError(f"There is no lane {partition.topic}-{partition.partition}.")
    return row


# Held shared, as by an append: whoever is found here is not erased before these rows are in.
_NO_ERASURE = "SELECT segments.keep_erasure_out()"
_SKIPPED = """
UPDATE segments.lane SET next_offset = $2, rejected = rejected + $3, holes = holes + $4, recorded_at = $5,
    quiet_offset = $2, quiet_at = $5, last_offset = coalesce($6, last_offset),
    last_timestamp = coalesce($7, last_timestamp), last_digest = coalesce($8, last_digest),
    received_at = greatest(received_at, to_timestamp($9::bigint / 1000.0)), stopped_because = NULL
WHERE lane_id = $1
"""


async def skip(
    pool: asyncpg.Pool[Any],
    settings: Settings,
    partition: TopicPartition,
    to: int,
    reason: str,
    actor: str | None,
) -> dict[str, Any]:
    """Pass by what lies before offset `to`: its records are rejected as `skipped`, kept whole.

    Returns: kafka_topic, kafka_partition, kafka_epoch, next_offset, rejected, holes.
    """
    async with transaction(pool, settings, ROLE) as connection:
        start = (await _open_row(connection, partition))["next_offset"]
    # Read with no lock held: a session that idles in a transaction is ended.
    records = await _read(settings, partition, start, to)
    async with transaction(pool, settings, ROLE) as connection:
        row = await _open_row(connection, partition)
        if row["next_offset"] != start:
            raise RefusedError(f"The lane went on from {start} to {row['next_offset']} meanwhile.")
        rules = await load_rules(connection)
        allowed = allowed_on(partition.topic, rules, Topics(settings.topic_prefix).commands)
        received_ms = row["received_ms"] or 0
        now_ms = int(row["now"].timestamp() * 1000)
        refused = []
        reader = Reader(settings.signing_secrets, partition.topic)
        for record in records:
            # As in the append: the broker's clock, or ours where a producer stamped the record.
            stamped = record.timestamp if record.timestamp_type == LOG_APPEND_TIME else now_ms
            received_ms = max(received_ms, stamped)
            refused.append(_skipped(record, received_ms, reason, reader, allowed))
        await connection.execute(_NO_ERASURE)
        await _identify(connection, refused, allowed)
        # A copy of one that was skipped is not believed either.
        nonces = sorted({one.headers.nonce for one in refused if one.headers.nonce})
        await connection.executemany(
            "INSERT INTO segments.signature VALUES (to_timestamp($1), $2) ON CONFLICT DO NOTHING",
            nonces,
        )
        await connection.copy_records_to_table(
            "rejected",
            schema_name="segments",
            columns=REJECTED,
            records=[rejected_row(row["lane_id"], r, row["now"]) for r in refused],
        )
        holes = find_holes(start, to, records)
        await connection.executemany(
            "INSERT INTO segments.hole VALUES ($1, $2, $3, 'skipped', $4)",
            [(row["lane_id"], first, end, row["now"]) for first, end in holes],
        )
        last = records[-1] if records else None
        await connection.execute(
            _SKIPPED, row["lane_id"], to, sum(r.record.span for r in refused), sum(e - f for f, e in holes), row["now"],
            last.offset if last else None, last.timestamp if last else None,
            record_digest(last.key, last.value) if last else None, received_ms,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO segments.lane_event (lane_id, action, reason, detail, actor)"
            " VALUES ($1, 'skipped', $2, $3, $4)",
            row["lane_id"], reason, f"offsets {start} to {to}", actor,
        )  # fmt: skip
    return {
        "kafka_topic": partition.topic,
        "kafka_partition": partition.partition,
        "kafka_epoch": row["epoch"],
        "next_offset": to,
        "rejected": sum(one.record.span for one in refused),
        "holes": sum(end - first for first, end in holes),
    }


def _skipped(
    record: Any, received_ms: int, reason: str, reader: Reader, allowed: Allowed | None
) -> RejectedRecord:
    """Refuse a record as skipped, with what can be read of it."""
    judged = judge(record, received_ms, reader, allowed)
    if isinstance(judged, Candidate):
        said = judged.command
        judged = RejectedRecord(
            record, received_ms, Reason.SKIPPED, "", said.network_id, said.user, said.segment_id,
            said.user_status.text, judged.time, said.reference_id, headers=judged.headers,
        )  # fmt: skip
    judged.reason, judged.detail = Reason.SKIPPED, f"skipped: {reason}"
    return judged


async def _identify(
    connection: asyncpg.Connection[Any], refused: list[RejectedRecord], allowed: Allowed | None
) -> None:
    """Tie each refused record to its person, where its value or its key names one: else erasure would not find it."""
    whose = {
        (r.network_id, r.user) for r in refused if r.network_id is not None and r.user is not None
    }
    people = await People(len(whose)).find(connection, whose)
    for one in refused:
        person = people.get((one.network_id, one.user))  # type: ignore[arg-type]
        one.person_id = None if person is None else person.person_id
    await name_by_keys(connection, refused, allowed)


async def _read(settings: Settings, partition: TopicPartition, start: int, to: int) -> list[Any]:
    """Read the records of [start, to) that are there to be read."""
    async with reading(settings) as reader:
        reader.assign([partition])
        begin = (await reader.beginning_offsets([partition]))[partition]
        end = (await reader.end_offsets([partition]))[partition]
        if not start < to <= end:
            raise RefusedError(
                f"The lane stands at {start}, the topic ends at {end}; can't skip to {to}."
            )
        reader.seek(partition, max(start, begin))
        records: list[Any] = []
        while await reader.position(partition) < to:
            batches = await reader.getmany(partition, timeout_ms=500)
            records += batches.get(partition, [])
        return [record for record in records if record.offset < to]
