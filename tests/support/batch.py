"""Record batches built byte by byte, for what no Python producer sends, such as header names that are not UTF-8.

Source: the Kafka record batch format, version 2.
"""

from __future__ import annotations

import asyncio
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka.client import AIOKafkaClient
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c, encode_varint

from schemas.topics import Topics
from service.kafka.clients import connection_options
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.runtime.settings import Settings

_CODECS: dict[str | None, tuple[int, Any]] = {
    None: (0, bytes),
    "gzip": (1, gzip_encode),
    "snappy": (2, snappy_encode),
    "lz4": (3, lz4_encode),
    "zstd": (4, zstd_encode),
}
_AFTER_CRC = struct.Struct(">hiqqqhii")


@dataclass(frozen=True)
class Raw:
    """One record; the names of headers are bytes."""

    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[bytes, bytes | None]] = ()


def encode_batch(records: Sequence[Raw], compression: str | tuple[int, Any] | None = None) -> bytes:
    """Encode one record batch. compression: a codec's name, or its number and its function."""
    attributes, compress = compression if isinstance(compression, tuple) else _CODECS[compression]
    payload: bytes = compress(
        b"".join(_record(delta, record) for delta, record in enumerate(records))
    )
    now = int(time.time() * 1000)
    rest = (
        _AFTER_CRC.pack(attributes, len(records) - 1, now, now, -1, -1, -1, len(records)) + payload
    )
    head = struct.pack(">ibI", 0, 2, calc_crc32c(rest))
    whole: bytes = struct.pack(">qi", 0, len(head) + len(rest)) + head + rest
    return whole


async def publish_batch(
    settings: Settings, lane: int, records: Sequence[Raw], compression: str | None = None
) -> int:
    """Publish one batch; return the offset of its first record."""
    return await publish_encoded(settings, lane, encode_batch(records, compression))


async def publish_encoded(settings: Settings, lane: int, batch: bytes) -> int:
    """Publish an encoded batch; return the offset of its first record."""
    topic = Topics(settings.topic_prefix).commands
    client = AIOKafkaClient(**connection_options(settings))
    await client.bootstrap()
    try:
        await client.set_topics([topic])
        (broker, *_) = client.cluster.brokers()
        request = ProduceRequest(None, -1, 30_000, [(topic, [(lane, batch)])])
        async with asyncio.timeout(PATIENCE):
            while True:
                response = await client.send(broker.nodeId, request)
                ((_, ((_, code, offset, *_),)),) = response.topics
                if not (error := for_code(code)).retriable:  # it is, where the topic is new
                    break
                await asyncio.sleep(0.02)
        assert code == 0, error
        return int(offset)
    finally:
        await client.close()


def _record(delta: int, record: Raw) -> bytes:
    parts = [b"\0", _varint(0), _varint(delta), _field(record.key), _field(record.value)]
    parts.append(_varint(len(record.headers)))
    parts += [_field(name) + _field(content) for name, content in record.headers]
    body = b"".join(parts)
    return _varint(len(body)) + body


def _field(content: bytes | None) -> bytes:
    return _varint(-1) if content is None else _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    encode_varint(number, out.append)
    return bytes(out)
