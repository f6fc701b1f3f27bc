"""The load: segment commands of about 261 bytes, as prepared Kafka batches, and their publication."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from schemas.topics import Topics
from service.kafka.clients import connection_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from service.runtime.settings import Settings

EVENTS = 300_000
NETWORK = "acme-retail"
USERS = 20_000
SEGMENTS = 5  # with USERS: 100,000 keys
BATCH_BYTES = 128 * 1024
STATUSES = ("enter", "enter", "leave", "add", "enter", "leave", "block", "reset")
# The load's events are in the last days before now, ten per second.
PER_SECOND = 10


@dataclass(frozen=True, slots=True)
class Message:
    """One record of the load."""

    key: bytes
    value: bytes


def user_name(user: int) -> str:
    """Return the name of a user of the load."""
    return f"customer{user:06d}@example.com"


def make_message(
    number: int, at: int, user: int, segment: int, status: str, campaign: str = "campaign-"
) -> Message:
    """Build one command; `number` makes it unique within its campaign."""
    user_id = user_name(user)
    value = {
        "network_id": NETWORK,
        "user": user_id,
        "segment_id": segment,
        "user_status": status,
        "status_change_timestamp": at,
        "reference_id": f"{campaign}{number:09d}",
        "metadata": {
            "rule": f"rfm-{number % 97:03d}",
            "score": number % 1000 / 10,
            "run": "nightly-segments",
        },
    }
    return Message(
        f"{NETWORK}:{user_id}".encode(), json.dumps(value, separators=(", ", ": ")).encode()
    )


def make_load(
    count: int, *, seed: int = 1, late: bool = False, spread: int = 1
) -> Iterator[Message]:
    """Build `count` commands over all keys, in the order of their times, or in reverse if `late`.

    spread: the distance between the numbers of users.
    """
    chance = random.Random(seed)  # noqa: S311 - not a secret
    began = int(time.time()) - 3600 - count // PER_SECOND
    for nth in range(count):
        at = began + (count - nth if late else nth) // PER_SECOND
        user, segment = chance.randrange(USERS) * spread, chance.randint(1, SEGMENTS)
        yield make_message(nth, at, user, segment, chance.choice(STATUSES))


def with_duplicates(load: Iterable[Message], share: float, *, seed: int = 2) -> Iterator[Message]:
    """Repeat records so that `share` of the result are repeats: half of recent records, half of any earlier ones."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    before: list[Message] = []
    repeat_after_each = share / (1 - share)
    for message in load:
        before.append(message)
        yield message
        if chance.random() < repeat_after_each:
            recent = chance.random() < 0.5
            yield chance.choice(before[-2000:] if recent else before)


class Publisher:
    """Holds a load as prepared batches per partition, and publishes it on `publish`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = Topics(settings.topic_prefix).commands
        self._batches: list[tuple[int, Any]] = []
        self.records = 0

    async def __aenter__(self) -> Self:
        """Connect."""
        self._producer = AIOKafkaProducer(
            **connection_options(self._settings), acks="all", max_batch_size=BATCH_BYTES
        )
        await self._producer.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Disconnect."""
        await self._producer.stop()

    def prepare(self, load: Iterable[Message]) -> None:
        """Add a load to what `publish` sends; records are in their partition in the load's order."""
        building: dict[int, Any] = defaultdict(self._producer.create_batch)
        for message in load:
            self.records += 1
            partition = partition_of(message.key, self._settings.topic_partitions)
            while (
                building[partition].append(key=message.key, value=message.value, timestamp=None)
                is None
            ):
                self._batches.append((partition, building.pop(partition)))
        self._batches += building.items()

    async def publish(self) -> None:
        """Publish the prepared load; returns when the broker has acknowledged all of it."""
        pending = []
        for partition, batch in self._batches:
            batch.close()
            pending.append(await self._producer.send_batch(batch, self._topic, partition=partition))
        self._batches.clear()
        await asyncio.gather(*pending)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that Kafka's Java clients choose for a key."""
    hashed: int = murmur2(key)
    return (hashed & 0x7FFFFFFF) % partitions
