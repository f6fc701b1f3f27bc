"""A Kafka consumer of no group that is kept, to look at records at once, and lent to one at a time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from service.kafka.clients import reading
from service.kafka.reconnecting_client import ReconnectingClient
from service.runtime.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiokafka import AIOKafkaConsumer

    from service.runtime.settings import Settings

log = get_logger("projections.queued")


class ReconnectingReader(ReconnectingClient["AIOKafkaConsumer"]):
    """Lends a consumer. `run` keeps it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(partial(reading, settings), log, "info")
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[AIOKafkaConsumer]:
        """Lend the consumer, once those before are done. Raises: TimeoutError while there is none."""
        async with self._one_at_a_time:
            if self.client is None:
                raise TimeoutError
            yield self.client


async def partitions_of(reader: AIOKafkaConsumer, topic: str, known: set[int]) -> set[int]:
    """Give the partitions of a topic; asks the broker anew where any of those `known` to be is missing."""
    found = reader.partitions_for_topic(topic)
    if not found or not known <= found:
        await reader._client.add_topic(topic)  # noqa: SLF001 - aiokafka learns topics only by interest
        await reader._client.force_metadata_update()  # noqa: SLF001 - and partitions now and then
        found = reader.partitions_for_topic(topic)
    return found or set()
