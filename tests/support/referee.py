"""Compares the service's views with the oracle's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.oracle import Model, Outcome, Record, Reported, compare, follow
from tests.support.database import connected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from service.runtime.settings import Settings

KEYS = {
    "user_segment": ("network_id", "segment_id", "user_id"),
    "membership": ("network_id", "segment_id", "user_id"),
    "override": ("network_id", "segment_id", "user_id"),
    "automation_disagreement": ("network_id", "segment_id", "user_id"),
    "membership_history": ("event_id",),
    "result": ("kafka_topic", "kafka_partition", "kafka_epoch", "kafka_offset"),
    "segment_size": ("network_id", "segment_id"),
    "segment_size_daily": ("network_id", "segment_id", "day"),
}
_REPORTED = """
SELECT kafka_topic, kafka_partition, kafka_epoch, kafka_offset, recorded_at, received_at, 'event' AS kind,
    NULL AS reason, NULL::uuid AS of FROM reporting.event
UNION ALL SELECT kafka_topic, kafka_partition, kafka_epoch, kafka_offset, recorded_at, received_at, 'rejected', reason,
    NULL FROM reporting.rejected
UNION ALL SELECT kafka_topic, kafka_partition, kafka_epoch, kafka_offset, recorded_at, received_at, 'duplicate', NULL,
    duplicate_of_event_id FROM reporting.duplicate
"""


async def differences(
    settings: Settings,
    segments: Mapping[tuple[str, int], bool],
    sent: Sequence[tuple[Any, tuple[str, int, int, int | None]]],
    *,
    model: type[Model] = Model,
    **model_options: Any,
) -> list[str]:
    """Compare every view with the oracle.

    sent: the published records, each with its topic, partition, offset and the broker's timestamp. model: the oracle,
    or a subclass.
    """
    async with connected(settings) as connection:
        reported = await connection.fetch(_REPORTED)
        ids = {
            str(row["event_id"]): tuple(row)[1:]
            for row in await connection.fetch(
                "SELECT event_id, kafka_topic, kafka_partition, kafka_epoch, kafka_offset FROM reporting.event"
            )
        }
        names = {position: event_id for event_id, position in ids.items()}
        oracle = model(
            dict(segments), event_id=lambda position: names[tuple(position)], **model_options
        )
        records = [
            Record(
                topic, partition, 0, offset, timestamp or 0, one.value, one.key, tuple(one.headers)
            )
            for one, (topic, partition, offset, timestamp) in sent
        ]
        reported_at = {
            (row[0], row[1], row[2], row[3]): Reported(
                Outcome(row["kind"], ids.get(str(row["of"])), row["reason"]), row["recorded_at"]
            )
            for row in reported
        }
        faults = follow(oracle, records, reported_at)
        if faults:
            return faults
        for view, key in KEYS.items():
            rows = [dict(row) for row in await connection.fetch(f"SELECT * FROM reporting.{view}")]
            faults += [f"{view}: {line}" for line in compare(getattr(oracle, view)(), rows, key)]
        faults += await _as_of(connection, oracle)
    return faults


async def _as_of(connection: Any, model: Model) -> list[str]:
    """Compare membership_as_of at the end, and at moments between events, on both clocks."""
    times = await connection.fetchrow(
        "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY status_change_timestamp) AS at,"
        " percentile_disc(0.5) WITHIN GROUP (ORDER BY recorded_at) AS known_at FROM reporting.event"
    )
    end = datetime(9999, 1, 1, tzinfo=UTC)
    faults = []
    for at, known_at in ((end, end), (times["at"], end), (end, times["known_at"]), tuple(times)):
        if at is None or known_at is None:
            continue
        rows = await connection.fetch(
            "SELECT * FROM reporting.membership_as_of($1, $2)", at, known_at
        )
        expected = model.membership_as_of(at, known_at)
        lines = compare(expected, [dict(row) for row in rows], KEYS["user_segment"])
        faults += [f"membership_as_of({at}, {known_at}): {line}" for line in lines]
    # From what is projected: at moments all along, and at the very end.
    moments = await connection.fetchval(
        "SELECT percentile_disc(ARRAY[0, 0.1, 0.3, 0.5, 0.8, 1]) WITHIN GROUP (ORDER BY status_change_timestamp)"
        " FROM reporting.event"
    )
    for at in (*(moments or ()), None):
        rows = await connection.fetch(
            "SELECT * FROM reporting.membership_as_of(coalesce($1::timestamptz, 'infinity'))", at
        )
        lines = compare(
            model.membership_as_of(at), [dict(row) for row in rows], KEYS["user_segment"]
        )
        faults += [f"membership_as_of({at}): {line}" for line in lines]
    return faults
