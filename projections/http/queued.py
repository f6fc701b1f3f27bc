"""Queued records, which are in Kafka and not in the log yet, read by one long-lived consumer without a group."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from projections.http.reconnecting_reader import ReconnectingReader, partitions_of
from schemas.command import read_command
from schemas.command.refusal import Refusal
from service.http.kit.problems import unavailable
from service.runtime.backoff import INFRASTRUCTURE
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer
    from aiokafka.structs import ConsumerRecord

    from projections.queries.results import PositionQuery
    from projections.queries.rows import Row
    from service.runtime.settings import Settings

log = get_logger("projections.http.queued")
LOOK_SECONDS = 1.5
_APPEND_TIME = 1


class Queued:
    """Reads single records from Kafka. `run` maintains the consumer."""

    def __init__(self, settings: Settings) -> None:
        self._reader = ReconnectingReader(settings)
        self.run = self._reader.run

    async def row(self, network_id: str, position: PositionQuery, epoch: int) -> Row | None:
        """Return the row of view result for a queued record, with outcome `queued`.

        position: in a command topic. epoch: the one that the record would have in the log.
        None: there is no such record, or it belongs to another network. If the network can't be read and the record key
        names this network, network_id is None, and the caller must check that the topic may carry commands of the
        network.
        Raises: Problem 503 if the broker does not respond within LOOK_SECONDS.
        """
        try:
            async with asyncio.timeout(LOOK_SECONDS), self._reader.acquire() as reader:
                record = await self._look(reader, position)
        except OffsetOutOfRangeError:
            return None  # aged out before it was read
        except INFRASTRUCTURE as error:
            self._reader.replace()
            log.warning("reading a queued record failed", error=f"{type(error).__name__}: {error}")
            raise unavailable("broker_away", "the broker does not answer") from error
        if record is None:
            return None
        row = queued_row(record, epoch)
        named = row["network_id"]
        if named is None and (record.key or b"").startswith(f"{network_id}:".encode()):
            return row
        return row if named == network_id else None

    @staticmethod
    async def _look(
        reader: AIOKafkaConsumer, position: PositionQuery
    ) -> ConsumerRecord[Any, Any] | None:
        partition = TopicPartition(position.topic, position.partition)
        if position.partition not in await partitions_of(
            reader, position.topic, {position.partition}
        ):
            return None
        end = (await reader.end_offsets([partition]))[partition]
        if position.offset >= end:
            return None
        reader.assign([partition])
        reader.seek(partition, position.offset)
        record = await reader.getone(partition)
        return record if record.offset == position.offset else None


def queued_row(record: ConsumerRecord[Any, Any], epoch: int) -> Row:
    """Build the row of a record that is not in the log: its readable fields, and outcome `queued`."""
    received_at = None
    if record.timestamp_type == _APPEND_TIME:
        received_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    command: Any
    try:
        command = read_command(record.value)
        user_status = command.user_status.text
    except Refusal as refusal:
        command = refusal
        user_status = refusal.user_status
    at = command.status_change_timestamp
    reference_id = command.reference_id
    if isinstance(command, Refusal):
        happened = None
    elif at is None:
        reference_id = reference_id or f"auto:{record.topic}-{record.partition}-{record.offset}"
        happened = received_at.replace(microsecond=0) if received_at else None
    else:
        happened = datetime.fromtimestamp(at, UTC)
    return {
        "network_id": command.network_id,
        "reference_id": reference_id,
        "segment_id": command.segment_id,
        "user_id": command.user,
        "user_status": user_status,
        "outcome": "queued",
        "reason": None,
        "changed_membership": None,
        "changed_override": None,
        "status_change_timestamp": happened,
        "received_at": received_at,
        "kafka_topic": record.topic,
        "kafka_partition": record.partition,
        "kafka_epoch": epoch,
        "kafka_offset": record.offset,
        "event_id": None,
        "detail": None,
    }
