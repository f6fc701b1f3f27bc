"""Replaces private parts of aiokafka: its iteration over fetched batches and records, two callbacks, and a request.

A fetch is decoded by `record_batch`. Records are light, because aiokafka's ConsumerRecord, a frozen dataclass of eleven
fields, costs as much as the rest of its work per record. They are returned in portions of bounded memory.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiokafka.client import ConnectionGroup
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBase
from aiokafka.record.memory_records import _MemoryRecordsPy

from schemas.headers import keep_headers
from service.kafka.record_batch import HEADER, LenientBatch, LenientRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiokafka import AIOKafkaProducer, TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.client import AIOKafkaClient

    from schemas.command.refusal import Refusal

# The approximate size of what one partition returns per call, in memory or only parsed.
TURN_BYTES: Final = 512 * 1024
# The least bytes of a header as sent.
_HEADER_BYTES: Final = 3
# The memory of a record besides its key and value, which exist twice: as sent, and parsed or as a row.
RECORD_OVERHEAD: Final = 300

_LEADER_EPOCH_AT: Final = DefaultRecordBase.AFTER_LEN_OFFSET


class LenientMemoryRecords(_MemoryRecordsPy):  # type: ignore[misc]
    """aiokafka's splitter of a fetch into batches, with lenient batches. leader_epoch: of the last batch."""

    leader_epoch = -1

    def next_batch(self, *args: Any) -> Any:
        """Return the next batch, or None."""
        raw = self._next_slice
        if raw is not None and len(raw) >= HEADER.size:
            (self.leader_epoch,) = struct.unpack_from(">i", raw, _LEADER_EPOCH_AT)
        batch = super().next_batch(*args)
        if batch is None or raw is None or raw[16] < 2:  # noqa: PLR2004 - formats 0 and 1 have no headers
            return batch
        return LenientBatch(batch, raw)


class FetchedRecord(msgspec.Struct, frozen=True, gc=False):
    """One record from a consumer: the used attributes of aiokafka's ConsumerRecord, under the same names.

    headers: those that the service reads. memory: its approximate bytes in memory. parsed: the approximate bytes that
    were parsed for it and are not in memory. span: the number of offsets that it represents, `offset` being the last;
    more than one only for a rejected batch. refusal: why it was not read. leader_epoch: the partition's leader epoch
    when it was written.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    memory: int = RECORD_OVERHEAD
    leader_epoch: int = -1
    span: int = 1
    refusal: Refusal | None = None
    parsed: int = 0


class LightPartitionRecords(PartitionRecords):
    """aiokafka's iteration over a partition's fetched batches, with light records and without deserializers."""

    def close(self) -> None:
        """Release the records. The object and its iterator form a cycle, and garbage collection is rare."""
        if self._records_iterator is not None:
            self._records_iterator.close()
            self._records_iterator = None

    def _consumer_record(self, tp: TopicPartition, record: Any) -> FetchedRecord:
        key, value, headers = record.key, record.value, record.headers
        memory = RECORD_OVERHEAD
        if key is not None:
            memory += 2 * len(key)
        if value is not None:
            memory += 2 * len(value)
        is_lenient = type(record) is LenientRecord
        parsed = record.sent if is_lenient else _HEADER_BYTES * len(headers)
        if headers:
            headers = keep_headers(headers)
            memory += sum([RECORD_OVERHEAD + len(content or b"") for _, content in headers])
        if not is_lenient or record.refusal is None:
            return FetchedRecord(
                tp[0],
                tp[1],
                record.offset,
                record.timestamp,
                record.timestamp_type,
                key,
                value,
                tuple(headers) if headers else (),
                memory,
                self._records.leader_epoch,
                parsed=parsed,
            )
        # The fetch may have started in the middle of its offsets.
        first = record.offset if record.first is None else max(record.first, self.next_fetch_offset)
        return FetchedRecord(
            tp[0], tp[1], record.offset, record.timestamp, record.timestamp_type, key, value, (),
            memory, self._records.leader_epoch, record.offset - first + 1, record.refusal,
        )  # fmt: skip


class BoundedFetchResult(FetchResult):
    """The fetched records of a partition, returned in portions of about TURN_BYTES."""

    def check_assignment(self, tp: TopicPartition) -> bool:
        """Whether the records may be returned, as in aiokafka; else they are dropped."""
        records = self._partition_records
        is_assigned: bool = super().check_assignment(tp)
        if not is_assigned and records is not None:
            records.close()
        return is_assigned

    def getall(self, max_records: int | None = None) -> list[FetchedRecord]:
        """Return the next records, as in aiokafka."""
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            return []
        portion: list[FetchedRecord] = []
        size = 0
        for record in self._partition_records:
            portion.append(record)
            size += record.memory + record.parsed
            if size >= TURN_BYTES or len(portion) == max_records:
                break
        else:
            self._update_position()
            self._partition_records = None
            return portion
        self._update_position()
        return portion


class _Pending(set[Any]):
    """aiokafka's pending batches. A batch that waits for a retry is not among them, and may still end."""

    remove = set.discard


def forget_sent_once(producer: AIOKafkaProducer) -> None:
    """Let a batch end while it waits for a retry.

    aiokafka removes a batch when it is queued again and once more when it ends. A batch that expires or is dropped in
    between raises KeyError in a callback, where it is not caught.
    """
    producer._message_accumulator._pending_batches = _Pending()  # noqa: SLF001


def on_connection_lost(client: AIOKafkaClient, callback: Callable[[int], None]) -> None:
    """Call `callback` with the broker's id when a connection for fetches ends, before there is a new one.

    aiokafka looks its own callback up when it opens a connection.
    """
    closed = client._on_connection_closed  # noqa: SLF001

    def lost(connection: Any, reason: Any) -> None:
        for (broker, group), known in client._conns.items():  # noqa: SLF001
            if known is connection and group == ConnectionGroup.DEFAULT:
                callback(broker)
        closed(connection, reason)

    client._on_connection_closed = lost  # type: ignore[method-assign]  # noqa: SLF001


async def describe_cluster(admin: AIOKafkaAdminClient) -> dict[str, Any]:
    """Return `cluster_id` and `brokers`. aiokafka's own method also requests the metadata of every topic."""
    metadata: dict[str, Any] = (await admin._get_cluster_metadata([])).to_object()  # noqa: SLF001
    return metadata
