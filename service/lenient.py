"""aiokafka's reading of a fetch, made lenient and light.

Lenient: aiokafka decodes every header name strictly and raises for the whole fetch, for ever, also withholding the
good records before it. Header names decide nothing unless they are ours, so such a batch is read here again, with
`surrogateescape`. Source: the Kafka record batch format, version 2. Light: aiokafka's ConsumerRecord, a frozen
dataclass of eleven fields, costs as much as all else that it does for a record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBase, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiokafka import TopicPartition


class LenientRecord(NamedTuple):
    """One record as a batch gives it, with the attributes that aiokafka's fetcher reads."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    checksum: None = None


class LenientBatch:
    """A record batch as aiokafka made it, read by our own hand from the first record that it can't decode."""

    def __init__(self, batch: Any, raw: bytes | memoryview) -> None:
        self._batch = batch
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        """Give everything but the records as aiokafka does."""
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        """Give a control batch's record."""
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        """Give the records, decoded leniently where they can't be otherwise."""
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            return _decode(self._raw)
        except CorruptRecordException as error:
            # So says aiokafka's reader in Python of the same.
            if isinstance(error.__cause__, UnicodeDecodeError):
                return _decode(self._raw)
            raise


class LenientMemoryRecords(_MemoryRecordsPy):  # type: ignore[misc]
    """aiokafka's splitter of a fetch into batches, giving lenient ones."""

    def next_batch(self, *args: Any) -> Any:
        """Give the next batch, or None."""
        raw = self._next_slice
        batch = super().next_batch(*args)
        if batch is None or raw is None or raw[16] < 2:  # noqa: PLR2004 - formats 0 and 1 have no headers
            return batch
        return LenientBatch(batch, raw)


class FetchedRecord(msgspec.Struct, frozen=True, gc=False):
    """One record as a consumer gives it: what is used of aiokafka's ConsumerRecord, under the same names."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class LightPartitionRecords(PartitionRecords):
    """aiokafka's walk through a partition's fetched batches, giving light records. No consumer of ours deserializes."""

    def _consumer_record(self, tp: TopicPartition, record: Any) -> FetchedRecord:
        headers = record.headers
        return FetchedRecord(
            tp[0],
            tp[1],
            record.offset,
            record.timestamp,
            record.timestamp_type,
            record.key,
            record.value,
            tuple(headers) if headers else (),
        )


def _decode(raw: bytes | memoryview) -> Iterator[LenientRecord]:
    batch = _DefaultRecordBatchPy(raw)
    iter(batch)  # decompresses
    data, at = batch._buffer, batch._pos  # noqa: SLF001
    for _ in range(batch._num_records):  # noqa: SLF001
        length, start = decode_varint(data, at)
        yield _decode_record(batch, data, start)
        at = start + length


def _decode_record(batch: Any, data: bytearray, at: int) -> LenientRecord:
    at += 1  # attributes, unused
    timestamp_delta, at = decode_varint(data, at)
    offset_delta, at = decode_varint(data, at)
    key, at = _bytes(data, at)
    value, at = _bytes(data, at)
    count, at = decode_varint(data, at)
    headers = []
    for _ in range(count):
        name, at = _bytes(data, at)
        content, at = _bytes(data, at)
        headers.append(((name or b"").decode("utf-8", "surrogateescape"), content))
    appended = batch.timestamp_type == DefaultRecordBase.LOG_APPEND_TIME
    timestamp = batch.max_timestamp if appended else batch.first_timestamp + timestamp_delta
    return LenientRecord(
        batch.base_offset + offset_delta, timestamp, batch.timestamp_type, key, value, headers
    )


def _bytes(data: bytearray, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(data, at)
    if length < 0:
        return None, at
    return bytes(data[at : at + length]), at + length
