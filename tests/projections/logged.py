"""Histories put into the log as rows, without people: whatever the append could have made of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

ADD, BLOCK, RESET, ENTER, LEAVE, EXPIRE = range(1, 7)
NOON = datetime(2024, 2, 28, 12, tzinfo=UTC)
# Epochs of one partition, whose offsets may be equal, and lanes whose ids are not in the order of their names.
LANES = [("b", 0, 0), ("a", 1, 0), ("a", 0, 0), ("a", 0, 1), ("B", 3, 0)]
SEGMENTS = 3
COLUMNS = ["lane_id", "kafka_offset", "segment_key", "person_id", "user_status", "status_change_timestamp",
    "received_at", "recorded_at", "expires_at", "expired_lane_id", "expired_offset", "content", "digest",
    "reference_id", "discriminator"]  # fmt: skip
_LANE = """
INSERT INTO segments.lane (topic, partition, epoch, first_offset, next_offset, events, closed)
VALUES ($1, $2, $3, 0, $4::bigint, $4::bigint, true) RETURNING lane_id
"""
_SEGMENTS = """
INSERT INTO segments.segment (segment_key, network_id, segment_id, segment_name, is_visible, created_at)
OVERRIDING SYSTEM VALUE
SELECT n, 'n' || n / 3, n, 'segment ' || n, true, now() FROM generate_series(1, $1::integer) AS n
"""
_CHECKPOINT = """
INSERT INTO projections.checkpoint (projection, slot, lane_id, next_offset) VALUES ('membership', 0, $1, $2)
"""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event of a key. lane: an index of LANES; at, received, recorded, lapses: seconds; names: of an expire."""

    status: int
    lane: int
    offset: int
    at: int
    received: int
    recorded: int
    lapses: int | None = None
    names: LoggedEvent | None = None


def moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else NOON + timedelta(seconds=seconds)


async def put(
    connection: asyncpg.Connection[Any], histories: Iterable[list[LoggedEvent]], above: int = 0
) -> None:
    """Put histories into the log, one key each; the last `above` offsets of each lane lie above its checkpoint."""
    await connection.execute(_SEGMENTS, SEGMENTS)
    events_by_key = [
        (event, 1 + key % SEGMENTS, 1 + key // SEGMENTS)
        for key, events in enumerate(histories)
        for event in events
    ]
    lane_ids = []
    for nth, lane in enumerate(LANES):
        end = 1 + max(
            (event.offset for event, _, _ in events_by_key if event.lane == nth), default=-1
        )
        # An id that is left out, as a failed insert leaves one.
        await connection.execute("SELECT nextval('segments.lane_lane_id_seq')")
        lane_ids.append(await connection.fetchval(_LANE, *lane, end))
        await connection.execute(_CHECKPOINT, lane_ids[-1], max(end - above, 0))
    rows = [
        (lane_ids[event.lane], event.offset, segment, person, event.status, moment(event.at), moment(event.received),
         moment(event.recorded), moment(event.lapses), event.names and lane_ids[event.names.lane],
         event.names and event.names.offset, b"", b"", f"{event.lane}-{event.offset}", "")
        for event, segment, person in events_by_key
    ]  # fmt: skip
    await connection.copy_records_to_table(
        "event", schema_name="segments", columns=COLUMNS, records=rows
    )
