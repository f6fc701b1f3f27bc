"""A lane of the log without Kafka: records go to a real Appender, as from ingest."""

from __future__ import annotations

import itertools
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from projections.fold.worker import adopt_lanes
from schemas.position import Lane
from service.ingest.open_lane import SQL as OPEN_LANE
from service.log.append import ROLE, Appender
from service.postgres.database import open_database
from tests.support.database import connected, rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from service.log.batch import Batch, Stored
    from service.postgres.database import Database
    from service.runtime.settings import Settings


@dataclass
class Given:
    """A record as from aiokafka."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp_type: int = 1
    span: int = 1
    refusal: Any = None


def command_json(**fields: Any) -> bytes:
    """Return the JSON of a command; `...` omits a field."""
    members = {"network_id": "n", "user": "u", "segment_id": 1, "user_status": "add"} | fields
    return json.dumps({name: value for name, value in members.items() if value is not ...}).encode()


class LogLane:
    """One lane, and the Appender that appends to it."""

    def __init__(self, database: Database, topic: str, partition: int) -> None:
        self.database = database
        self.settings = database.settings
        self.lane = Lane(topic, partition, 0)
        self.appender = Appender(database)
        self.lane_id = 0
        self.next_offset = 0
        self.received_ms = 0
        self.incarnation = ""

    async def open(self) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(
                OPEN_LANE["make_lane"], self.lane.topic, self.lane.partition, 0, None
            )
            row = await connection.fetchrow(
                "SELECT lane_id, next_offset, segments.incarnation(), (SELECT coalesce(max(erasure_id), 0)"
                " FROM segments.erasure) FROM segments.lane WHERE topic = $1 AND partition = $2",
                self.lane.topic, self.lane.partition,
            )  # fmt: skip
            assert row is not None
            self.lane_id, self.next_offset, self.incarnation, erased_to = row
            self.appender.saw(self.incarnation, erased_to)

    def records(self, *values: Any) -> list[Given]:
        """Build records at the next offsets from values, (value, headers), or (value, headers, key)."""
        now = int(time.time() * 1000)
        made = []
        for offset, value in zip(itertools.count(self.next_offset), values):
            content, headers, *key = value if isinstance(value, tuple) else (value, ())
            made.append(Given(offset, now, key[0] if key else None, content, headers))
        return made

    async def prepare(self, *values: Any) -> Batch:
        return await self.prepare_records(self.records(*values))

    async def prepare_records(self, records: Sequence[Given]) -> Batch:
        end = records[-1].offset + 1 if records else self.next_offset
        return await self.appender.prepare(
            self.lane,
            self.lane_id,
            self.next_offset,
            end,
            records,
            self.received_ms,
            self.incarnation,
        )

    async def store(self, batch: Batch) -> Stored:
        """Store a batch as a LaneWriter does: together with others if possible, else alone."""
        stored = await self.appender.store_together(batch)
        stored = stored or await self.appender.store_alone(batch)
        self.next_offset, self.received_ms = stored.next_offset, batch.received_ms
        return stored

    async def append(self, *values: Any) -> list[str]:
        """Append values; return the outcome of each: event, duplicate, or the reason of its rejection."""
        start = self.next_offset
        await self.store(await self.prepare(*values))
        outcomes = await self.outcomes()
        return [outcomes[offset] for offset in range(start, self.next_offset)]

    async def outcomes(self) -> dict[int, str]:
        accounted = await rows(
            self.settings,
            "SELECT kafka_offset, 'event' AS what FROM segments.event WHERE lane_id = $1"
            " UNION ALL SELECT kafka_offset, 'duplicate' FROM segments.duplicate WHERE lane_id = $1"
            " UNION ALL SELECT kafka_offset, reason FROM segments.rejected WHERE lane_id = $1",
            self.lane_id,
        )
        outcomes = {row["kafka_offset"]: row["what"] for row in accounted}
        assert len(outcomes) == len(accounted), "an offset was accounted for twice"
        return outcomes


@asynccontextmanager
async def log_lanes(settings: Settings, count: int = 1) -> AsyncIterator[list[LogLane]]:
    """Open lanes, each with an Appender of its own, on the same connections."""
    async with open_database(settings, ROLE, 2 * count + 2) as database:
        lanes = [
            LogLane(database, f"{settings.topic_prefix}.commands", partition)
            for partition in range(count)
        ]
        for lane in lanes:
            await lane.open()
        # As a worker does once it sees them.
        async with connected(settings) as connection:
            await adopt_lanes(connection, 0)
        yield lanes
