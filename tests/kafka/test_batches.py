"""Record batches are read whole whatever they are compressed with, a piece at a time, and refused as one where not."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import cramjam
import pytest
import zstandard
from aiokafka import TopicPartition
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.record.util import encode_varint

from schemas.command.refusal import Reason
from schemas.headers import READ
from service.kafka.aiokafka_internals import (
    BoundedFetchResult,
    FetchedRecord,
    LenientMemoryRecords,
    LightPartitionRecords,
)
from service.kafka.record_batch import KEPT_BYTES, RECORD_BYTES
from service.kafka.unpacking import MOST_BYTES, MOST_BYTES_OF_LONG_WINDOWS
from tests.support.batch import Raw, encode_batch

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024


def two_frames(content: bytes) -> bytes:
    """Snappy as Java's reader takes it as well: another stream behind the first."""
    half = len(content) // 2
    first: bytes = snappy_encode(content[:half])
    return first + bytes(snappy_encode(content[half:]))


def long_window(content: bytes) -> bytes:
    """Zstd that does not say how much it holds, and asks for a window of 128 MiB, as level 22 does."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    packing = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return packing.compress(content) + packing.flush()


CODECS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "none": (0, bytes),
    "gzip": (1, gzip_encode),
    "snappy": (2, snappy_encode),
    "snappy, two streams": (2, two_frames),
    "snappy, unframed": (2, lambda content: bytes(cramjam.snappy.compress_raw(content))),
    "lz4": (3, lz4_encode),
    "zstd": (4, zstd_encode),
    "zstd, long window": (4, long_window),
}


def records(count: int, seed: int) -> list[Raw]:
    """Records of all lengths, with and without keys, and headers with odd names."""
    rng = random.Random(seed)  # noqa: S311 - to be had again by its seed

    def one() -> Raw:
        name = b"\xff" if rng.random() < 0.01 else b"x"
        headers = [(b"segments-actor", b"a"), (name, None)] if rng.random() < 0.3 else []
        key = os.urandom(3) if rng.random() < 0.9 else None
        return Raw(os.urandom(rng.randrange(2000)), key, headers)

    return [one() for _ in range(count)]


def opened(batch: bytes, start: int = 0) -> Any:
    return LightPartitionRecords(
        *(TopicPartition("t", 0), LenientMemoryRecords(batch), [], start, None, None, True, 0)
    )


def read(batch: bytes, start: int = 0) -> list[FetchedRecord]:
    return list(opened(batch, start))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("count", [1, 20, 2000])
def test_a_batch_gives_its_records_whatever_it_is_compressed_with(codec: str, count: int) -> None:
    """Also one as long as a piece and longer, and such as end in records of a few bytes."""
    sent = [*records(count, count), Raw(os.urandom(MIB), b"k"), Raw(b""), Raw(None), Raw(None)]
    found = read(encode_batch(sent, CODECS[codec]))
    assert [(one.offset, one.span, one.refusal) for one in found] == [
        (offset, 1, None) for offset in range(len(sent))
    ]
    assert [(one.key, one.value) for one in found] == [(one.key, one.value) for one in sent]
    kept = [
        tuple((n.decode(), v) for n, v in one.headers if n.decode("latin-1") in READ)
        for one in sent
    ]
    assert [one.headers for one in found] == kept


def test_batches_that_are_read_in_turns_give_the_same() -> None:
    """One decoder lives at a time; who goes on begins anew and passes by what it gave."""
    sent = records(2000, 1)
    turns = [opened(encode_batch(sent, CODECS[codec])) for codec in ("zstd", "lz4", "gzip")]
    given: list[list[bytes | None]] = [[], [], []]
    while any(len(one) < len(sent) for one in given):
        for batch, to in zip(turns, given, strict=True):
            to += [record.value for _, record in zip(range(130), batch, strict=False)]
    assert given == [[record.value for record in sent]] * 3


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd", "zstd, long window"])
def test_a_batch_that_holds_too_much_is_refused_as_one(codec: str) -> None:
    most = MOST_BYTES_OF_LONG_WINDOWS if "long" in codec else MOST_BYTES
    batch = encode_batch([Raw(bytes(MIB))] * (most // MIB + 1), CODECS[codec])
    for start in (0, 5):
        (one,) = read(batch, start)
        assert one.refusal is not None
        assert one.refusal.reason is Reason.TOO_LARGE
        assert (one.offset - one.span + 1, one.offset) == (start, most // MIB)
        assert f"more than {most // MIB} MiB" in one.refusal.detail
    just = [Raw(bytes(MIB))] * (most // MIB - 1)
    assert len(read(encode_batch(just, CODECS[codec]))) == len(just)


def test_a_record_that_is_too_long_keeps_its_beginning() -> None:
    sent = [
        Raw(b"a"),
        Raw(os.urandom(RECORD_BYTES), b"n:u", [(b"segments-actor", b"a")]),
        Raw(b"b"),
    ]
    first, long, last = read(encode_batch(sent, CODECS["lz4"]))
    assert (first.value, last.value) == (b"a", b"b")
    assert long.refusal is not None
    assert long.refusal.reason is Reason.TOO_LARGE
    assert (long.key, long.headers, long.span) == (b"n:u", (), 1)
    assert long.value is not None
    assert KEPT_BYTES - 20 < len(long.value) <= KEPT_BYTES
    assert sent[1].value is not None
    assert sent[1].value.startswith(long.value)


@pytest.mark.parametrize(
    "pack",
    [
        lambda content: long_window(content)[:-200] + b"nonsense",
        lambda content: b"nonsense" + content[:0],
        lambda content: long_window(content[:-300]),
    ],
    ids=["ends in nonsense", "is nonsense", "ends early"],
)
def test_what_can_t_be_read_of_a_batch_is_refused_and_stops_nothing(
    pack: Callable[[bytes], bytes],
) -> None:
    """Its checksum is right, so it will be no better next time."""
    sent = records(1000, 2)
    found = read(encode_batch(sent, (4, pack)))
    *good, bad = found
    assert [one.value for one in good] == [one.value for one in sent[: len(good)]]
    assert bad.refusal is not None
    assert bad.refusal.reason is Reason.UNSTORABLE
    assert (bad.offset - bad.span + 1, bad.offset) == (len(good), len(sent) - 1)


def test_many_headers_leave_little() -> None:
    odd = [(b"x%d" % number, b"") for number in range(100_000)]
    (one,) = read(encode_batch([Raw(b"v", None, [*odd, (b"segments-actor", b"a")])]))
    assert one.headers == (("segments-actor", b"a"),)
    assert one.memory < 1000


def long_key() -> bytes:
    """A record that is cut within its key."""
    return encode_batch([Raw(bytes(9 * MIB), bytes(9 * MIB))], "snappy")


def key_beyond_its_record() -> bytes:
    """A record whose key is said to end a gigabyte behind it, after one with an odd header name."""
    body = bytes([0, 0, 2]) + bytes(encoded(2**30))
    bad = bytes(encoded(len(body))) + body

    def spoilt(content: bytes) -> bytes:
        return content[: len(content) // 2] + bad

    return encode_batch([Raw(b"v", b"k", [(b"\xff", b"")])] * 2, (0, spoilt))


def encoded(number: int) -> bytearray:
    written = bytearray()
    encode_varint(number, written.append)
    return written


READ_IN_A_PROCESS = """
import sys
import service.kafka.clients
from service.kafka.aiokafka_internals import LenientMemoryRecords
batches = LenientMemoryRecords(sys.stdin.buffer.read())
print([record.refusal.reason for record in batches.next_batch() if record.refusal])
"""


@pytest.mark.parametrize(
    ("batch", "reason"),
    [(long_key, Reason.TOO_LARGE), (key_beyond_its_record, Reason.UNSTORABLE)],
)
def test_nothing_outside_of_a_record_is_read(batch: Callable[[], bytes], reason: Reason) -> None:
    """It would end the process, or be taken for what was sent."""
    done = subprocess.run(
        [sys.executable, "-c", READ_IN_A_PROCESS], input=batch(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().strip() == f"[{reason!r}]"


@pytest.mark.parametrize("name", [b"x", b"\xff"])
async def test_a_portion_ends_with_its_bytes_as_sent_also_if_they_are_headers_that_nobody_reads(
    name: bytes,
) -> None:
    """Parsing them takes the event loop, which other lanes need."""
    batch = encode_batch([Raw(b"{}", b"k", [(name, b"")] * 200_000)] * 4, CODECS["zstd"])
    lane = TopicPartition("t", 0)
    assigned = Assignment([lane])
    assigned.state_value(lane).seek(0)
    result = BoundedFetchResult(
        lane, assignment=assigned, partition_records=opened(batch), backoff=0
    )
    assert [len(result.getall(500)) for _ in range(4)] == [1, 1, 1, 1]
