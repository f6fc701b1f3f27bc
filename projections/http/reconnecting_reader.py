"""A long-lived Kafka consumer without a group, for immediate reads, used by one request at a time."""

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

log = get_logger("projections.http.reconnecting_reader")


class ReconnectingReader(ReconnectingClient["AIOKafkaConsumer"]):
    """Provides a consumer. `run` maintains it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(partial(reading, settings), log, "info")
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[AIOKafkaConsumer]:
        """Acquire the consumer exclusively. Raises: TimeoutError while there is none."""
        async with self._one_at_a_time:
            if self.client is None:
                raise TimeoutError
            yield self.client


async def partitions_of(reader: AIOKafkaConsumer, topic: str, known: set[int]) -> set[int]:
    """Return the partitions of a topic; refresh the metadata if one of `known` is missing."""
    partitions = reader.partitions_for_topic(topic)
    if not partitions or not known <= partitions:
        await reader._client.add_topic(topic)  # noqa: SLF001 - aiokafka learns topics only by interest
        await reader._client.force_metadata_update()  # noqa: SLF001 - and partitions now and then
        partitions = reader.partitions_for_topic(topic)
    return partitions or set()
