"""Whatever a batch decompresses to, ingest's memory stays bounded, and each of its offsets is accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from projections.operations.verify import verify
from service.ingest.role import ingest
from service.kafka.unpacking import MOST_BYTES
from tests.support.accounts import logged
from tests.support.batch import Raw, encode_batch, publish_batch, publish_encoded
from tests.support.database import connected, rows, value
from tests.support.kafka import NewRecord, publish
from tests.support.lane import command_json
from tests.support.roles import processes, service

if TYPE_CHECKING:
    from service.runtime.settings import Settings

pytestmark = pytest.mark.stack
MIB = 1024 * 1024
# Snappy makes nothing smaller than a twentieth.
CODECS = ("gzip", "lz4", "zstd")


@pytest.mark.parametrize("codec", CODECS)
async def test_a_batch_that_decompresses_to_more_than_64_mib_is_rejected_as_a_range(
    ready: Settings, codec: str
) -> None:
    await publish(ready, [NewRecord(lane=0, user="before")])
    bomb = [Raw(bytes(MIB), b"n:u") for _ in range(MOST_BYTES // MIB + 2)]
    first = await publish_batch(ready, 0, bomb, codec)
    await publish(ready, [NewRecord(lane=0, user="after")])
    async with service(ready, ingest):
        await logged(ready)
    (row,) = await rows(ready, "SELECT * FROM reporting.rejected")
    assert (row["kafka_offset"], row["next_offset"]) == (first, first + len(bomb))
    assert (row["reason"], row["payload"]) == ("too_large", None)
    assert "64 MiB" in row["detail"]
    async with connected(ready) as connection:
        assert await verify(connection) == []
    lane = "SELECT (events, rejected, holes)::text FROM reporting.lane WHERE kafka_partition = 0"
    assert await value(ready, lane) == f"(2,{len(bomb)},0)"


def bombs() -> list[tuple[str | None, list[Raw]]]:
    """Batches that take much more memory than they have bytes, each in its own way."""
    long = command_json(description="x" * 4000, metadata={"a": "y" * 15_000})
    return [
        ("zstd", [Raw(bytes(600 * MIB), b"k")]),
        ("zstd", [Raw(bytes(60 * MIB), b"k"), Raw(command_json(user="beside"), b"k")]),
        ("gzip", [Raw(bytes(60 * 1024), b"k")] * 300),
        ("zstd", [Raw(long, b"k", [(b"x", bytes(1000))])] * 1000),
        ("lz4", [Raw(None)] * 10_000),
        ("snappy", [Raw(bytes(9 * MIB), bytes(9 * MIB))]),
        ("zstd", [Raw(command_json(user="headers"), b"k", [(b"segments-actor", b"")] * 100_000)]),
        ("zstd", [Raw(command_json(user="header"), b"k", [(b"idempotency-key", bytes(20 * MIB))])]),
        (None, [Raw(command_json(user="odd"), b"k", [(b"\xff", b"")] * 100_000)]),
    ]


def most_memory(pid: int) -> int:
    """Give the most that a process has held so far, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    (peak,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peak) * 1024


async def test_ingest_stays_within_200_mib_whatever_is_sent(ready: Settings) -> None:
    """On every lane at once, and more than once."""
    sent = 0
    for codec, batch in bombs():
        encoded = encode_batch(batch, codec)
        for lane in range(ready.topic_partitions):
            await publish_encoded(ready, lane, encoded)
            sent += len(batch)
    with processes(ready, "ingest") as (ingesting,):
        await logged(ready, seconds=1500)
        assert most_memory(ingesting.pid) <= 200 * MIB
    accounted = "SELECT sum(events + duplicates + rejected) FROM reporting.lane"
    assert await value(ready, accounted) == sent
