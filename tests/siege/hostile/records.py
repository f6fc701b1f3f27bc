"""Records that any publisher of the topics may send: broken, doubled, late, huge, copied, in another's name."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from schemas.topics import Topics
from service.kafka.clients import connection_options, producing
from tests.siege.hostile.target import BAD, GOOD, HOT, attacks
from tests.support.batch import Raw, publish_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.siege.hostile.target import Siege

    Record = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]

_NOW = int(time.time())
GARBAGE: tuple[bytes | None, ...] = (
    b"", b"{", b"\xff\xfe", b"NaN", b"[" * 30_000, b'"' * 65_000, b"\xef\xbb\xbf{}", b"null", b"[]",
    b'{"network_id": "' + b"x" * 70_000 + b'"}', b"1e400", b'{"a": 1e400}', b'{"user": "\\ud800"}',
    b"\0" * 100, None,
)  # fmt: skip


def command_json(user: str, **fields: Any) -> bytes:
    """Write a command of the hostile network."""
    given = {"network_id": BAD, "user": user, "segment_id": 3, "user_status": "add"} | fields
    return json.dumps(given).encode()


async def _flood(siege: Siege, make: Callable[[], Record], topic: str, each_second: int) -> None:
    """Publish records at a rate; a broker that is away is waited for."""
    while True:
        try:
            async with producing(siege.settings) as producer:
                while True:
                    for _ in range(max(1, each_second // 10)):
                        value, key, headers = make()
                        key = b"k" if key is None and value is None else key
                        await producer.send(topic, value, key, headers=list(headers))
                        siege.tally["records"] += 1
                    await asyncio.sleep(0.1)
        except (KafkaError, OSError, TimeoutError) as error:
            siege.tally[type(error).__name__] += 1
            await asyncio.sleep(0.5)


def _commands(siege: Siege) -> str:
    return Topics(siege.settings.topic_prefix).commands


@attacks("records")
async def garbage(siege: Siege) -> None:
    """What is no command: half of it on the topic that all share."""
    topics = (_commands(siege), siege.target.bounded)
    async with asyncio.TaskGroup() as both:
        for topic in topics:
            both.create_task(
                _flood(siege, lambda: (siege.rng.choice(GARBAGE), None, ()), topic, 50)
            )


@attacks("batches")
async def odd_headers(siege: Siege) -> None:
    """Header names and contents that are not UTF-8, in compressed batches, a few each second."""
    while True:
        headers = [
            (b"\xff\xfe", b"\xff"),
            (b"", None),
            (b"idempotency-key", b"\x01"),
            (b"x" * 500, b"\0"),
        ]
        records = [
            Raw(command_json(f"odd{siege.rng.randrange(50)}"), headers=[siege.rng.choice(headers)])
            for _ in range(20)
        ]
        try:
            codec = siege.rng.choice((None, "gzip", "lz4", "snappy", "zstd"))
            await publish_batch(siege.settings, siege.rng.randrange(4), records, codec)
            siege.tally["batches"] += 1
        except (
            KafkaError,
            OSError,
            AssertionError,
        ) as error:  # the last: a broker that just starts
            siege.tally[type(error).__name__] += 1
        await asyncio.sleep(0.3)


@attacks("records")
async def keys(siege: Siege) -> None:
    """An idempotency key of 255 characters on each, and never the same again."""

    def make() -> Record:
        key = f"{siege.rng.getrandbits(64):x}".ljust(255, "k").encode()
        return command_json(f"k{siege.rng.randrange(200)}"), None, [("idempotency-key", key)]

    await _flood(siege, make, _commands(siege), 100)


@attacks("records")
async def conflicts(siege: Siege) -> None:
    """The same identities with other content, and with the same."""

    def make() -> Record:
        number = siege.rng.randrange(50)
        status = siege.rng.choice(("add", "block"))
        text = command_json(
            f"c{number}", user_status=status, reference_id="c", status_change_timestamp=_NOW
        )
        return text, None, siege.rng.choice(((), [("idempotency-key", b"one for all")]))

    await _flood(siege, make, _commands(siege), 100)


@attacks("records")
async def late(siege: Siege) -> None:
    """Events of a key that has many, each earlier than all of them."""

    def make() -> Record:
        at = 1_000_000_000 - siege.rng.randrange(10**8)
        status = siege.rng.choice(("add", "block", "reset", "enter", "leave"))
        text = command_json("hot", segment_id=HOT, user_status=status, status_change_timestamp=at)
        return text, f"{BAD}:hot".encode(), ()

    await _flood(siege, make, _commands(siege), 20)


@attacks("records")
async def claims(siege: Siege) -> None:
    """Another network's commands, and broken ones that name it, on a topic that may not speak for it."""

    def make() -> Record:
        text = command_json(f"stolen{siege.rng.randrange(50)}", network_id=GOOD, segment_id=1)
        if siege.rng.random() < 0.3:
            text = text.replace(b'"segment_id": 1', b'"segment_id": "1"')
        return text, None, ()

    await _flood(siege, make, siege.target.bounded, 50)


@attacks("bombs")
async def bombs(siege: Siege) -> None:
    """Batches of some kilobytes that hold 64 to 300 MiB; six of them."""
    for mebibytes in (64, 128, 263, 64, 300, 96):
        value = await asyncio.to_thread(bytes, mebibytes * 2**20)
        try:
            await publish_batch(siege.settings, siege.rng.randrange(4), [Raw(value)], "zstd")
            siege.tally["bombs"] += 1
        except (KafkaError, OSError, AssertionError) as error:
            siege.tally[type(error).__name__] += 1
        del value
        await asyncio.sleep(2)


@attacks("copies")
async def replays(siege: Siege) -> None:
    """Signed records of others, published again as they are, where they were and on another topic."""
    topic = _commands(siege)
    while True:
        try:
            async with (
                AIOKafkaConsumer(
                    topic, **connection_options(siege.settings), auto_offset_reset="earliest"
                ) as reader,
                producing(siege.settings) as producer,
            ):
                async for record in reader:
                    if not any(name == "segments-signature" for name, _ in record.headers):
                        continue
                    for to in (topic, siege.target.bounded):
                        await producer.send(
                            to, record.value, record.key, headers=list(record.headers)
                        )
                        siege.tally["copies"] += 1
                    await asyncio.sleep(0.05)
        except (KafkaError, OSError, TimeoutError) as error:
            siege.tally[type(error).__name__] += 1
            await asyncio.sleep(0.5)
