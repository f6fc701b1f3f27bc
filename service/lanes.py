"""What operators do to a lane: go on after its topic was remade, or pass records by. Both are recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.refusal import Reason
from service.database import transaction
from service.errors import NotThereError, RefusedError
from service.ingest.assignment import find_fault
from service.kafka import reading
from service.log.identity import record_digest
from service.log.judge import Candidate, RejectedRecord, judge
from service.log.keyed import name_by_keys
from service.log.people import People
from service.log.prepare import LOG_APPEND_TIME, find_holes
from service.log.rows import REJECTED, rejected_row

if TYPE_CHECKING:
    import asyncpg
    from aiokafka import TopicPartition

    from service.settings import Settings

ROLE = "segments_operate"
_OPEN = """
SELECT l.lane_id, l.epoch, l.next_offset, l.recorded_at, l.last_offset, l.last_timestamp, l.last_digest,
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
    INSERT INTO segments.lane (topic, partition, epoch, first_offset, next_offset, holes, received_at, recorded_at)
    SELECT topic, partition, epoch + 1, $2::bigint, $3::bigint, $3::bigint - $2::bigint, received_at, recorded_at
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
    it and the rest was there to be read.
    force: also where the topic still holds what the log has read.
    Returns: kafka_topic, kafka_partition, kafka_epoch, first_offset, next_offset.
    Raises: NotThereError, RefusedError.
    """
    async with transaction(pool, settings, ROLE) as connection:
        old = await _open_row(connection, partition)
    async with reading(settings) as reader:
        reader.assign([partition])
        begin = (await reader.beginning_offsets([partition]))[partition]
        end = (await reader.end_offsets([partition]))[partition]
        fault = await find_fault(reader, partition, old, begin, end)
    start = begin if start is None else start
    last = old["last_offset"]
    if fault is None and not force and last is not None and start <= last:
        raise RefusedError(
            "The topic is the one that the log has read; read anew, commands without a time would count twice."
            " If you know better, say --force."
        )
    if not begin <= start <= end:
        raise RefusedError(f"The topic holds offsets {begin} to {end}; {start} is not among them.")
    async with transaction(pool, settings, ROLE) as connection:
        old = await _open_row(connection, partition)
        first = min(begin, old["next_offset"])
        await connection.execute(_CLOSE, old["lane_id"])
        await connection.fetchval(
            _ADOPT, old["lane_id"], first, start, reason, actor, old["now"], begin
        )
    return {
        "kafka_topic": partition.topic,
        "kafka_partition": partition.partition,
        "kafka_epoch": old["epoch"] + 1,
        "first_offset": first,
        "next_offset": start,
    }


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
        received_ms = row["received_ms"] or 0
        now_ms = int(row["now"].timestamp() * 1000)
        refused = []
        for record in records:
            # As in the append: the broker's clock, or ours where a producer stamped the record.
            stamped = record.timestamp if record.timestamp_type == LOG_APPEND_TIME else now_ms
            received_ms = max(received_ms, stamped)
            refused.append(_skipped(record, received_ms, reason, settings.signing_secret))
        await connection.execute(_NO_ERASURE)
        await _identify(connection, refused)
        await connection.copy_records_to_table(
            "rejected",
            schema_name="segments",
            columns=REJECTED,
            records=[rejected_row(row["lane_id"], r, row["now"]) for r in refused],
        )
        holes = find_holes(start, to, [record.offset for record in records])
        await connection.executemany(
            "INSERT INTO segments.hole VALUES ($1, $2, $3, 'skipped', $4)",
            [(row["lane_id"], first, end, row["now"]) for first, end in holes],
        )
        last = records[-1] if records else None
        await connection.execute(
            _SKIPPED, row["lane_id"], to, len(refused), sum(e - f for f, e in holes), row["now"],
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
        "rejected": len(refused),
        "holes": sum(end - first for first, end in holes),
    }


def _skipped(
    record: Any, received_ms: int, reason: str, signing_secret: bytes | None
) -> RejectedRecord:
    """Refuse a record as skipped, with what can be read of it."""
    judged = judge(record, received_ms, signing_secret)
    if isinstance(judged, Candidate):
        said = judged.command
        judged = RejectedRecord(
            record, received_ms, Reason.SKIPPED, "", said.network_id, said.user, said.segment_id,
            said.user_status.text, judged.time, said.reference_id,
        )  # fmt: skip
    judged.reason, judged.detail = Reason.SKIPPED, f"skipped: {reason}"
    return judged


async def _identify(connection: asyncpg.Connection[Any], refused: list[RejectedRecord]) -> None:
    """Tie each refused record to its person, where its value or its key names one: else erasure would not find it."""
    whose = {
        (r.network_id, r.user) for r in refused if r.network_id is not None and r.user is not None
    }
    people = await People(len(whose)).find(connection, whose)
    for one in refused:
        person = people.get((one.network_id, one.user))  # type: ignore[arg-type]
        one.person_id = None if person is None else person.person_id
    await name_by_keys(connection, refused)


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
