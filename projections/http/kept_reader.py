"""A Kafka consumer of no group that is kept, to look at records at once, and lent to one at a time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from service.kafka import reading
from service.telemetry import get_logger
from service.waiting import INFRASTRUCTURE, Backoff, sleep_unless

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiokafka import AIOKafkaConsumer

    from service.settings import Settings

log = get_logger("projections.arriving")


class KeptReader:
    """Lends a consumer. `run` keeps it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reader: AIOKafkaConsumer | None = None
        self._broken = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep a consumer until `stop` is set; Kafka away is waited out."""
        backoff = Backoff()
        stopping = asyncio.ensure_future(stop.wait())
        while not stop.is_set():
            try:
                async with reading(self._settings) as reader:
                    self._broken.clear()
                    self._reader = reader
                    backoff.reset()
                    broken = asyncio.ensure_future(self._broken.wait())
                    await asyncio.wait((broken, stopping), return_when=asyncio.FIRST_COMPLETED)
                    broken.cancel()
                    self._reader = None
            except INFRASTRUCTURE as error:
                if not backoff.began:
                    log.info("waiting for Kafka", error=f"{type(error).__name__}: {error}")
            finally:
                self._reader = None
            if not stop.is_set():
                await sleep_unless(stop, backoff.next())
        stopping.cancel()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[AIOKafkaConsumer]:
        """Lend the consumer, once those before are done. Raises: TimeoutError while there is none."""
        async with self._one_at_a_time:
            if self._reader is None:
                raise TimeoutError
            yield self._reader

    def replace(self) -> None:
        """Have another consumer made: this one did not answer."""
        self._broken.set()


async def partitions_of(reader: AIOKafkaConsumer, topic: str, known: set[int]) -> set[int]:
    """Give the partitions of a topic; asks the broker anew where any of those `known` to be is missing."""
    found = reader.partitions_for_topic(topic)
    if not found or not known <= found:
        await reader._client.add_topic(topic)  # noqa: SLF001 - aiokafka learns topics only by interest
        await reader._client.force_metadata_update()  # noqa: SLF001 - and partitions now and then
        found = reader.partitions_for_topic(topic)
    return found or set()
