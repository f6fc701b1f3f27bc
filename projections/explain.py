"""Why a user is in a segment, or not: each event of the key, what it did, and what stands now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from projections.reading.rows import find_segment

if TYPE_CHECKING:
    import asyncpg

_KEY = """
SELECT s.segment_key, p.person_id, p.user_id
FROM segments.segment AS s INNER JOIN segments.person AS p ON p.network_id = s.network_id
WHERE s.network_id = $1 AND s.segment_id = $2 AND p.user_id IN ($3, reporting.normalise_user($3))
"""
# Each part is read once for the whole key; FULL, though each has its other, for that is hashed or merged always: a loop
# over a key with many events would take the square of their number.
# Parameters: network_id, segment_id, user_id, segment_key, person_id.
_EVENTS = """
SELECT r.event_id, r.status_change_timestamp, r.received_at, r.user_status, r.outcome, r.changed_membership,
    r.changed_override, r.reference_id, e.source, e.actor, e.description, e.expires_at,
    kafka_topic, kafka_partition, kafka_epoch, kafka_offset,
    (h.state).is_member AS is_member_after, ('{add,block}'::text[])[(h.state).override] AS override_after
FROM (
    SELECT * FROM reporting.result
    WHERE network_id = $1 AND segment_id = $2 AND user_id = $3 AND outcome NOT IN ('duplicate', 'rejected')
) AS r
FULL JOIN (
    SELECT kafka_topic, kafka_partition, kafka_epoch, kafka_offset, source, actor, description, expires_at
    FROM reporting.event WHERE network_id = $1 AND segment_id = $2 AND user_id = $3
) AS e USING (kafka_topic, kafka_partition, kafka_epoch, kafka_offset)
FULL JOIN (
    SELECT l.topic AS kafka_topic, l.partition AS kafka_partition, l.epoch AS kafka_epoch, f.kafka_offset,
        f.state, f.place
    FROM projections.history AS f INNER JOIN segments.lane AS l ON l.lane_id = f.lane_id
    WHERE f.segment_key = $4 AND f.person_id = $5
) AS h USING (kafka_topic, kafka_partition, kafka_epoch, kafka_offset)
ORDER BY h.place NULLS LAST, r.received_at, kafka_topic, kafka_partition, kafka_offset
"""
_NOW = """
SELECT u.*, (
    SELECT o.expires_at FROM reporting.override AS o
    WHERE o.network_id = $1 AND o.segment_id = $2 AND o.user_id = $3
) AS expires_at
FROM reporting.user_segment AS u WHERE u.network_id = $1 AND u.segment_id = $2 AND u.user_id = $3
"""


async def explain(
    connection: asyncpg.Connection[Any], network_id: str, segment_id: int, user: str
) -> dict[str, Any]:
    """Explain one key.

    user: as sent; it is normalised here, and `erased:<n>` finds an erased one.
    Returns: {"now": a row of reporting.user_segment, and until when its override stands (expires_at), or None,
    "events": one per event in the fold's order}. Raises: UnknownSegmentError.
    """
    await find_segment(connection, network_id, segment_id)
    key = await connection.fetchrow(_KEY, network_id, segment_id, user)
    if key is None:
        return {"now": None, "events": []}
    wanted = (network_id, segment_id, key["user_id"])
    now = await connection.fetchrow(_NOW, *wanted)
    events = await connection.fetch(_EVENTS, *wanted, key["segment_key"], key["person_id"])
    return {"now": dict(now) if now else None, "events": [dict(event) for event in events]}
