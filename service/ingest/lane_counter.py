"""Counts a lane's records by outcome, and warns once if their keys do not keep a user's commands in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.runtime.logs import get_logger
from service.runtime.telemetry import MISKEYED, RECORDS

if TYPE_CHECKING:
    from aiokafka import TopicPartition

    from service.log.batch import Batch, Stored

log = get_logger("ingest.lane")


class LaneCounter:
    """Counts what is stored of one partition."""

    def __init__(self, partition: TopicPartition) -> None:
        self._partition = partition
        self._warned_of_keys = False

    def count(self, batch: Batch, stored: Stored) -> None:
        """Count a stored batch."""
        topic, partition = self._partition.topic, str(self._partition.partition)
        for outcome, count in (
            ("event", stored.events),
            ("duplicate", stored.duplicates),
            ("hole", stored.holes),
        ):
            if count:
                RECORDS.labels(topic, partition, outcome, "").inc(count)
        for reason, count in stored.reasons.items():
            RECORDS.labels(topic, partition, "rejected", reason).inc(count)
        if batch.miskeyed:
            MISKEYED.inc(batch.miskeyed)
            if not self._warned_of_keys:
                self._warned_of_keys = True
                log.warning(
                    "record keys are not network_id:user",
                    lane=str(self._partition), records=batch.miskeyed,
                )  # fmt: skip
