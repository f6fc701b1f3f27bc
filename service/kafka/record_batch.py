"""Decodes Kafka record batches (format version 2), including those that aiokafka can't decode or would not bound.

aiokafka decodes header names strictly: a name that is not UTF-8 fails the whole fetch, repeatedly, and withholds the
good records before it. Only the service's own header names matter, so such records are parsed again here with
`surrogateescape`. aiokafka decompresses a batch as a whole, whatever its size. Here it is read in pieces, and a batch
of more than MOST_BYTES, or an unreadable one, becomes one record that represents all of its offsets.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBase, DefaultRecordBatch
from aiokafka.record.util import decode_varint

from schemas.command.refusal import Reason, Refusal
from schemas.headers import keep_headers
from service.kafka.unpacking import PIECE, TooLargeError, Unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

# A longer record is rejected; only its first KEPT_BYTES are read. A topic accepts no longer ones uncompressed.
RECORD_BYTES: Final = 1280 * 1024
KEPT_BYTES: Final = 64 * 1024
HEADER: Final = DefaultRecordBase.HEADER_STRUCT

_VARINT: Final = 10  # bytes of the longest
_ATTRIBUTES_AT: Final = DefaultRecordBase.ATTRIBUTES_OFFSET
_COUNT_AT: Final = HEADER.size - 4
_Headers = list[tuple[str, bytes | None]]


class LenientRecord(NamedTuple):
    """One record of a batch, with the attributes that aiokafka's fetcher reads."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: _Headers
    checksum: None = None
    sent: int = 0  # bytes; headers that are not read take as long to parse as others
    refusal: Refusal | None = None
    first: int | None = None  # set if it represents several offsets


class LenientBatch:
    """Wraps aiokafka's record batch, and parses it itself if it is long or can't be decoded."""

    def __init__(self, batch: Any, raw: bytes | memoryview) -> None:
        self._batch = batch
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        """Delegate everything but the records to aiokafka."""
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        """Return a control batch's record."""
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        """Yield the records; if they can't be read, one rejected record in place of all the remaining ones."""
        at = self._batch.base_offset
        try:
            for record in self._records():
                at = record.offset + 1
                yield record
        except _TooManyBytesError as error:
            yield self._refused(at, Reason.TOO_LARGE, str(error))
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a decoder raises; a retry can't help
            if at < self._batch.next_offset:
                detail = f"the batch can't be read from here on: {type(error).__name__}"
                yield self._refused(at, Reason.UNSTORABLE, detail)

    def _refused(self, first: int, reason: Reason, detail: str) -> LenientRecord:
        batch = self._batch
        last = batch.next_offset - 1
        whole = f"{detail} (offsets {first} to {last})"
        return LenientRecord(
            last, batch.max_timestamp, batch.timestamp_type, None, None, [],
            refusal=Refusal(reason, whole), first=first,
        )  # fmt: skip

    def _records(self) -> Iterator[Any]:
        batch, raw = self._batch, self._raw
        codec = batch.compression_type
        if codec == DefaultRecordBase.CODEC_NONE and len(raw) <= PIECE:
            return self._decoded(batch, raw)
        return self._unpacked(codec, memoryview(raw)[HEADER.size :])

    def _unpacked(self, codec: int, packed: memoryview) -> Iterator[Any]:
        (count,) = struct.unpack_from(">i", self._raw, _COUNT_AT)
        content = Unpacked(codec, packed)
        try:
            most = content.most_bytes
            try:
                first = content.read(PIECE + 1)
                size = len(first)
                if size > PIECE:
                    size += content.skip(most + 1 - size)
            except TooLargeError:
                size = most + 1
            if size > most:
                raise _TooManyBytesError(most)
            if size <= PIECE:
                content.close()
                yield from self._piece(count, first)
                return
            content.rewind()
            yield from self._pieces(content, count)
        finally:
            content.close()

    def _pieces(self, content: Unpacked, count: int) -> Iterator[Any]:
        """Yield the records of a long batch, piece by piece."""
        buffer, at = content.read(PIECE), 0
        while count:
            start, number = at, 0
            while number < count and at + _VARINT <= len(buffer):
                length, begin = _varint(buffer, at)
                if length < 0:
                    raise CorruptRecordException(f"a record of {length} bytes")
                if begin + length > len(buffer):
                    break
                at, number = begin + length, number + 1
            if number:
                count -= number
                yield from self._piece(number, memoryview(buffer)[start:at])
                continue
            more = content.read(PIECE)
            buffer, at = buffer[at:] + more, 0
            length, begin = _varint(buffer, 0)
            if length > PIECE:
                count -= 1
                yield self._long(content, length, buffer[begin:])
                buffer = content.read(PIECE)
            elif not more:
                # The last records of a batch may be shorter than the longest varint.
                yield from self._piece(count, buffer)
                return

    def _long(self, content: Unpacked, length: int, begun: bytes) -> LenientRecord:
        """Read a record that is longer than a piece; `begun` is its first part."""
        if length <= RECORD_BYTES:
            return self._record(begun + content.read(length - len(begun)), 0)
        key_and_value = begun[:KEPT_BYTES]
        missing = length - len(begun)
        if content.skip(missing) != missing:
            raise CorruptRecordException("a record ends early")
        detail = f"the record has {length} bytes, of which the first {KEPT_BYTES} are kept"
        return self._record(key_and_value, 0, is_cut=True)._replace(
            refusal=Refusal(Reason.TOO_LARGE, detail)
        )

    def _piece(self, count: int, content: bytes | memoryview) -> Iterator[Any]:
        """Yield `count` records, decoded by aiokafka as an uncompressed batch of their own."""
        header = bytearray(self._raw[: HEADER.size])
        header[_ATTRIBUTES_AT + 1] &= ~DefaultRecordBase.CODEC_MASK & 0xFF
        struct.pack_into(">i", header, _COUNT_AT, count)
        whole = b"".join((header, content))
        return self._decoded(DefaultRecordBatch(whole), whole)

    def _decoded(self, batch: Any, whole: bytes | memoryview) -> Iterator[Any]:
        number = 0
        try:
            for number, record in enumerate(batch, 1):  # noqa: B007 - used after the loop
                yield record
        except (UnicodeDecodeError, CorruptRecordException) as error:
            # aiokafka's Python implementation raises CorruptRecordException in the same case.
            if not isinstance(error.__cause__ or error, UnicodeDecodeError):
                raise
            yield from self._leniently(bytes(whole[HEADER.size :]), number)

    def _leniently(self, content: bytes, number: int) -> Iterator[LenientRecord]:
        at = nth = 0
        while at < len(content):
            length, begin = _varint(content, at)
            if nth >= number:
                yield self._record(content[begin : begin + length], 0)
            at, nth = begin + length, nth + 1

    def _record(self, data: bytes, at: int, *, is_cut: bool = False) -> LenientRecord:
        """Decode a record whose content, after the length, begins at `at`, with the headers that the service reads.

        is_cut: the data may end within the key or the value. Raises: CorruptRecordException.
        """
        batch = self._batch
        at += 1  # attributes, unused
        timestamp_delta, at = _varint(data, at)
        offset_delta, at = _varint(data, at)
        key, at = _bytes(data, at, is_cut=is_cut)
        if is_cut:
            value = _bytes(data, at, is_cut=True)[0] if at < len(data) else None
            headers: _Headers = []
        else:
            value, at = _bytes(data, at)
            headers = keep_headers(_headers(data, at))
        appended = batch.timestamp_type == DefaultRecordBase.LOG_APPEND_TIME
        timestamp = (
            batch.max_timestamp
            if appended
            else struct.unpack_from(">q", self._raw, 27)[0] + timestamp_delta
        )
        return LenientRecord(
            batch.base_offset + offset_delta, timestamp, batch.timestamp_type, key, value, headers,
            sent=len(data),
        )  # fmt: skip


class _TooManyBytesError(Exception):
    """A batch is too large. most: the limit in bytes."""

    def __init__(self, most: int) -> None:
        super().__init__(f"the batch decompresses to more than {most // 1024 // 1024} MiB")


def _headers(data: bytes, at: int) -> Iterator[tuple[str, bytes | None]]:
    count, at = _varint(data, at)
    for _ in range(count):
        name, at = _bytes(data, at)
        content, at = _bytes(data, at)
        yield (name or b"").decode("utf-8", "surrogateescape"), content


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Decode an integer, and return it with its end. aiokafka's own decoder may read beyond the data."""
    if not 0 <= at < len(data):
        raise CorruptRecordException("a record ends early")
    # It accepts bytes as well.
    return decode_varint(data, at)  # type: ignore[arg-type]


def _bytes(data: bytes, at: int, *, is_cut: bool = False) -> tuple[bytes | None, int]:
    length, at = _varint(data, at)
    if length < 0:
        return None, at
    if at + length > len(data) and not is_cut:
        raise CorruptRecordException("a record ends early")
    return bytes(data[at : at + length]), at + length
