"""Kafka loses the end of a partition and writes others at the same offsets: the lane stops while it runs."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from schemas.topics import Topics
from service.kafka.clients import producing
from tests.support.accounts import logged
from tests.support.database import make_segments, rows, until, value
from tests.support.lane import command_json
from tests.support.roles import processes

if TYPE_CHECKING:
    from service.runtime.settings import Settings
    from stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.fault]
STOPPED = "SELECT stopped_because FROM segments.lane WHERE partition = 0 AND NOT closed"
_SIZE_AT, _HEAD = 8, 12
_LEADER_EPOCH_AT = 12


def kafka_folder(stack: Stack) -> Path:
    """Where the broker keeps its topics; only a local one's can be reached."""
    command = Path(f"/proc/{stack.kafka.pid}/cmdline").read_bytes().split(b"\0")
    (config,) = [Path(word.decode()) for word in command if word.endswith(b"server.properties")]
    (folder,) = [
        line.partition("=")[2]
        for line in config.read_text().splitlines()
        if line.startswith("log.dirs=")
    ]
    return Path(folder)


def batch_starts(content: bytes | bytearray) -> list[int]:
    """Where the batches of a log's segment begin."""
    starts, at = [], 0
    while at < len(content):
        starts.append(at)
        (size,) = struct.unpack_from(">i", content, at + _SIZE_AT)
        at += _HEAD + size
    return starts


def say_one_epoch(partition: Path) -> None:
    """Have all batches say the first one's leader epoch, as where the whole Kafka was restored from a copy."""
    (segment,) = partition.glob("*.log")
    content = bytearray(segment.read_bytes())
    for start in batch_starts(content):  # no checksum covers it
        content[start + _LEADER_EPOCH_AT : start + _LEADER_EPOCH_AT + 4] = content[
            _LEADER_EPOCH_AT : _LEADER_EPOCH_AT + 4
        ]
    segment.write_bytes(content)


def lose_tail(partition: Path, batches: int) -> None:
    """Cut the last batches off a partition's log, as a disk would that had not written them yet."""
    (segment,) = partition.glob("*.log")
    with segment.open("r+b") as file:
        file.truncate(batch_starts(segment.read_bytes())[-batches])
    for name in ("*.index", "*.timeindex", "*.txnindex", "*.snapshot"):
        for path in partition.glob(name):
            path.unlink()
    (partition.parent / ".kafka_cleanshutdown").unlink(missing_ok=True)


async def lose_and_write_anew(stack: Stack, settings: Settings, lost: int, anew: int) -> None:
    partition = kafka_folder(stack) / f"{settings.topic_prefix}.commands-0"
    await asyncio.to_thread(stack.kafka.stop)
    lose_tail(partition, lost)
    await asyncio.to_thread(stack.kafka.start)
    await say(settings, "other", anew)


async def say(settings: Settings, name: str, count: int) -> None:
    """Publish commands to lane 0, each a batch of its own."""
    topic = Topics(settings.topic_prefix).commands
    async with producing(settings) as producer:
        for number in range(count):
            await producer.send_and_wait(topic, command_json(user=f"{name} {number}"), partition=0)


@pytest.mark.parametrize("anew", [5, 9])
async def test_a_tail_that_was_lost_and_written_anew_stops_the_lane(
    own_stack: Stack, faulty: Settings, anew: int
) -> None:
    """While ingest is frozen, for a shorter time than the group's session lasts."""
    await make_segments(faulty)
    await say(faulty, "first", 12)
    with processes(faulty, "ingest") as (ingesting,):
        await logged(faulty)
        ingesting.pause()
        await lose_and_write_anew(own_stack, faulty, 5, anew)
        ingesting.resume()
        await say(faulty, "later", 1)
        await until(faulty, f"SELECT ({STOPPED}) IS NOT NULL")
    because = await value(faulty, STOPPED)
    assert "offset 11 holds another record than the log" in because
    assert "lost its end" in because
    assert "segments lane adopt" in because
    kept = "SELECT user_id FROM reporting.event WHERE kafka_partition = 0 ORDER BY kafka_offset"
    users = [row["user_id"] for row in await rows(faulty, kept)]
    assert users == [f"first {number}" for number in range(12)]


async def test_a_tail_that_was_written_anew_under_the_same_leader_epoch_stops_the_lane(
    own_stack: Stack, faulty: Settings
) -> None:
    """The connection to the broker broke: that is seen."""
    await make_segments(faulty)
    await say(faulty, "first", 12)
    with processes(faulty, "ingest") as (ingesting,):
        await logged(faulty, seconds=100)
        ingesting.pause()
        await lose_and_write_anew(own_stack, faulty, 5, 9)
        partition = kafka_folder(own_stack) / f"{faulty.topic_prefix}.commands-0"
        await asyncio.to_thread(own_stack.kafka.stop)
        say_one_epoch(partition)
        await asyncio.to_thread(own_stack.kafka.start)
        ingesting.resume()
        counted = "SELECT next_offset > 12 FROM segments.lane WHERE partition = 0"
        await until(faulty, f"SELECT ({STOPPED}) IS NOT NULL OR ({counted})", seconds=100)
    because = await value(faulty, STOPPED)
    assert "offset 11 holds another record than the log" in because
    assert await value(faulty, "SELECT count(*) FROM segments.event") == 12


async def test_a_broker_that_comes_back_whole_stops_nothing(
    own_stack: Stack, faulty: Settings
) -> None:
    """Another leader epoch, and the record that the log read last."""
    await make_segments(faulty)
    await say(faulty, "first", 3)
    with processes(faulty, "ingest") as (ingesting,):
        await logged(faulty)
        for number in range(2):
            await asyncio.to_thread(own_stack.kafka.stop)
            await asyncio.to_thread(own_stack.kafka.start)
            await say(faulty, f"later {number}", 3)
            await logged(faulty)
        await ingesting.wait_for_output("the last record is compared again")
    assert await value(faulty, STOPPED) is None
    assert await value(faulty, "SELECT count(*) FROM reporting.event") == 9
