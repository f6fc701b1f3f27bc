"""Skips records: those below an offset are rejected as `skipped`; recorded in the log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from aiokafka.errors import KafkaConnectionError

from schemas.command.refusal import Reason
from schemas.headers import Reader
from schemas.position import LOG_APPEND_TIME
from schemas.topics import Topics
from service.kafka.clients import reading
from service.log.batch import LaneMove, find_holes, last_record_of
from service.log.erased_names import find_erased
from service.log.people import People
from service.log.record_keys import name_by_keys
from service.log.rows import REJECTED, rejected_row
from service.log.validate import RejectedRecord, ValidCommand, validate
from service.operations.lanes import LOOK_SECONDS, open_row
from service.postgres.database import statements
from service.registry.command_topics import load_rules
from service.registry.topic_rules import allowed_on
from service.runtime.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import asyncpg
    from aiokafka import AIOKafkaConsumer, TopicPartition

    from service.kafka.aiokafka_internals import FetchedRecord
    from service.postgres.database import Database
    from service.registry.topic_rules import Allowed
    from service.runtime.settings import Settings

# The bytes of records that one transaction skips, by the consumer's estimate.
PIECE_BYTES = 4 * 1024 * 1024
# A shared lock, as in an append: no person is erased between the look-up and the insert.
_NO_ERASURE = "SELECT segments.keep_erasure_out()"
SQL = statements("service.operations.sql")
# Stored in the row of the lane, so that no process appends until all records are skipped.
_UNDER_WAY = (
    "an operator is skipping records up to offset {to}. If this was interrupted, continue with"
    " `segments lane skip --topic {topic} --partition {partition} --to {to} --reason …`"
)


class _Skip(NamedTuple):
    """The arguments of a skip. under_way: stopped_because of the lane in the meantime."""

    settings: Settings
    partition: TopicPartition
    lane_id: int
    to: int
    reason: str
    under_way: str


class _Piece(NamedTuple):
    """Records of [start, end). The last may end later, if it represents an unreadable batch."""

    start: int
    end: int
    records: Sequence[FetchedRecord]


async def skip(
    database: Database,
    partition: TopicPartition,
    to: int,
    reason: str,
    actor: str | None,
) -> dict[str, Any]:
    """Skip the records before offset `to`: they are rejected as `skipped`, and stored completely.

    Many records are skipped in pieces, while the lane is stopped. After an interruption it stays stopped, and the same
    call continues with the reason and the actor that were recorded first.
    Returns: kafka_topic, kafka_partition, kafka_epoch, next_offset, rejected, holes.
    Raises: NotThereError, RefusedError; KafkaConnectionError if Kafka does not respond.
    """
    async with database.transaction() as connection:
        row = await open_row(connection, partition)
        under_way = _UNDER_WAY.format(topic=partition.topic, partition=partition.partition, to=to)
        decided = row["stopped_because"] == under_way
        if decided:
            reason = await connection.fetchval(SQL["skip_reason"], row["lane_id"])
    one = _Skip(database.settings, partition, row["lane_id"], to, reason, under_way)
    rejected = holes = 0
    # Kafka is read without a lock, because Postgres ends sessions that are idle in a transaction.
    async with reading(database.settings) as reader:
        async for piece in _pieces(reader, one, row["next_offset"]):
            async with database.transaction() as connection:
                skipped = await _skip_piece(connection, one, piece)
                if not decided:
                    detail = f"offsets {piece.start} to {to}"
                    await connection.execute(SQL["note_skip"], one.lane_id, reason, detail, actor)
                    decided = True
            rejected, holes = rejected + skipped[0], holes + skipped[1]
    return {
        "kafka_topic": partition.topic,
        "kafka_partition": partition.partition,
        "kafka_epoch": row["epoch"],
        "next_offset": to,
        "rejected": rejected,
        "holes": holes,
    }


async def _pieces(reader: AIOKafkaConsumer, one: _Skip, start: int) -> AsyncIterator[_Piece]:
    """Read the available records from `start` on, in pieces."""
    partition, to = one.partition, one.to
    reader.assign([partition])
    begin = (await reader.beginning_offsets([partition]))[partition]
    end = (await reader.end_offsets([partition]))[partition]
    if not start < to <= end:
        raise RefusedError(f"The lane is at {start}, the topic ends at {end}; can't skip to {to}.")
    at = max(start, begin)
    reader.seek(partition, at)
    records: list[FetchedRecord] = []
    memory = 0
    while at < to:
        fetched, at = await _next(reader, partition, at)
        fetched = [record for record in fetched if record.offset - record.span + 1 < to]
        records += fetched
        memory += sum([record.memory for record in fetched])
        if at >= to or memory >= PIECE_BYTES:
            yield _Piece(start, min(at, to), records)
            start, records, memory = at, [], 0


async def _next(
    reader: AIOKafkaConsumer, partition: TopicPartition, at: int
) -> tuple[Sequence[FetchedRecord], int]:
    """Read some records from offset `at` on; return them and the next offset."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            while True:
                batches: dict[TopicPartition, list[Any]] = await reader.getmany(
                    partition, timeout_ms=500
                )
                position = await reader.position(partition)
                if position > at:
                    return batches.get(partition, ()), position
    except TimeoutError as error:
        raise KafkaConnectionError(f"{partition}: no answer within {LOOK_SECONDS} s") from error


async def _skip_piece(
    connection: asyncpg.Connection[Any], one: _Skip, piece: _Piece
) -> tuple[int, int]:
    """Reject a piece's records and advance the lane; return the numbers of rejected offsets and of holes."""
    # In the order of an append: it keeps erasure out before it locks its lane.
    await connection.execute(_NO_ERASURE)
    row = await open_row(connection, one.partition)
    if (row["lane_id"], row["next_offset"]) != (one.lane_id, piece.start):
        raise RefusedError(
            f"The lane advanced from {piece.start} to {row['next_offset']} in the meantime."
        )
    records = [_cut(record, piece.end) for record in piece.records]
    rules = await load_rules(connection)
    commands = Topics(one.settings.topic_prefix).commands
    allowed = allowed_on(one.partition.topic, rules, commands)
    refused = _refuse(records, row, one, allowed)
    await _identify(connection, refused, allowed)
    await _insert(connection, row, refused)
    holes = find_holes(piece.start, piece.end, records)
    await connection.executemany(
        SQL["skip_hole"],
        [(row["lane_id"], first, end, row["now"]) for first, end in holes],
    )
    # A cut record can't be found again at its offset, so it can't serve for the comparison on assignment.
    last = next((record for record in reversed(piece.records) if record.offset < piece.end), None)
    rejected, empty = sum(r.span for r in records), sum(end - first for first, end in holes)
    move = LaneMove(
        row["lane_id"], piece.start, piece.end, 0, 0, rejected, empty, *last_record_of(last),
        refused[-1].received_ms if refused else row["received_ms"] or 0,
    )  # fmt: skip
    await connection.execute(SQL["move_lanes"], [move], row["now"])
    await connection.execute(
        SQL["stop_lane"], one.lane_id, None if piece.end == one.to else one.under_way
    )
    return rejected, empty


def _cut(record: FetchedRecord, end: int) -> Any:
    """Cut a record that represents several offsets at offset `end`."""
    beyond = record.offset - end + 1
    if beyond <= 0:
        return record
    return msgspec.structs.replace(record, offset=end - 1, span=record.span - beyond)


def _refuse(
    records: Sequence[FetchedRecord], row: asyncpg.Record, one: _Skip, allowed: Allowed | None
) -> list[RejectedRecord]:
    """Reject records as skipped, each with its readable fields. row: the lane's."""
    received_ms = row["received_ms"] or 0
    now_ms = int(row["now"].timestamp() * 1000)
    reader = Reader(one.settings.signing_secrets, one.partition.topic)
    refused = []
    for record in records:
        # As in the append: the broker's clock, or the database's if the producer set the timestamp.
        stamped = record.timestamp if record.timestamp_type == LOG_APPEND_TIME else now_ms
        received_ms = max(received_ms, stamped)
        refused.append(_skipped(record, received_ms, one.reason, reader, allowed))
    return refused


def _skipped(
    record: Any, received_ms: int, reason: str, reader: Reader, allowed: Allowed | None
) -> RejectedRecord:
    result = validate(record, received_ms, reader, allowed)
    if isinstance(result, ValidCommand):
        command = result.command
        result = RejectedRecord(
            record, received_ms, Reason.SKIPPED, "", command.network_id, command.user, command.segment_id,
            command.user_status.text, result.time, command.reference_id, headers=result.headers,
        )  # fmt: skip
    result.reason, result.detail = Reason.SKIPPED, f"skipped: {reason}"
    return result


async def _identify(
    connection: asyncpg.Connection[Any], refused: list[RejectedRecord], allowed: Allowed | None
) -> None:
    """Link each rejected record to the person that its value or key identifies, so that erasure finds it."""
    whose = {
        (r.network_id, r.user) for r in refused if r.network_id is not None and r.user is not None
    }
    whose -= await find_erased(connection, whose)
    people = await People(len(whose)).find(connection, whose)
    for one in refused:
        person = people.get((one.network_id, one.user))  # type: ignore[arg-type]
        one.person_id = None if person is None else person.person_id
    await name_by_keys(connection, refused, allowed)


async def _insert(
    connection: asyncpg.Connection[Any], row: asyncpg.Record, refused: Sequence[RejectedRecord]
) -> None:
    nonces = sorted({one.headers.nonce for one in refused if one.headers.nonce})
    # The signature of a skipped record can't be used again either.
    await connection.execute(
        SQL["skip_signatures"], [n.signed_at for n in nonces], [n.digits for n in nonces]
    )
    await connection.copy_records_to_table(
        "rejected",
        schema_name="segments",
        columns=REJECTED,
        records=(rejected_row(row["lane_id"], one, row["now"]) for one in refused),
    )
