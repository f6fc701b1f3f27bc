"""Records that wait for one partition of the commands topic, with equal shares for networks."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiokafka.producer.message_accumulator import BatchBuilder
    from aiokafka.structs import RecordMetadata

    from service.http.kit.problems import Problem
    from service.kafka.publish import Header


class Record:
    """A record to publish. cost: bytes for Room. sent: the broker's acknowledgement, or the problem."""

    __slots__ = ("cost", "headers", "key", "network_id", "sent", "value")

    def __init__(
        self, network_id: str, key: bytes, value: bytes, headers: list[Header], cost: int
    ) -> None:
        self.network_id = network_id
        self.key = key
        self.value = value
        self.headers = headers
        self.cost = cost
        self.sent: asyncio.Future[RecordMetadata | Problem] = (
            asyncio.get_running_loop().create_future()
        )


class PartitionQueue:
    """The records that wait for one partition. Networks take turns; the records of each keep their order.

    handed: the records that the producer has and the broker has not acknowledged. ticks: since they were handed over.
    """

    def __init__(self) -> None:
        self._of: dict[str, deque[Record]] = {}
        self.handed: list[Record] = []
        self.ticks = 0
        self.task: asyncio.Task[None] | None = None

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._of)

    def add(self, record: Record) -> None:
        """Add a record."""
        self._of.setdefault(record.network_id, deque()).append(record)

    def fill(self, batch: BatchBuilder) -> None:
        """Move the next batch to `handed`, taking one record of each network in turn."""
        self.handed, self.ticks = [], 0
        while self._of:
            network_id = next(iter(self._of))
            waiting = self._of[network_id]
            record = waiting[0]
            added = batch.append(
                timestamp=None, key=record.key, value=record.value, headers=record.headers
            )
            if added is None:
                break
            self.handed.append(waiting.popleft())
            del self._of[network_id]
            if waiting:
                self._of[network_id] = waiting

    def clear(self) -> list[Record]:
        """Remove and return all waiting records."""
        waiting = [record for records in self._of.values() for record in records]
        self._of.clear()
        return waiting
