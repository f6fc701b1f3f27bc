"""Why a user is in a segment, or not: each event of the key, what it did, and what stands now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncpg

_KEY = """
SELECT s.segment_key, p.person_id, p.user_id
FROM segments.segment AS s INNER JOIN segments.person AS p ON p.network_id = s.network_id
WHERE s.network_id = $1 AND s.segment_id = $2 AND p.user_id IN ($3, reporting.normalise_user($3))
"""
# Parameters: network_id, segment_id, user_id, segment_key, person_id.
_EVENTS = """
SELECT r.event_id, r.status_change_timestamp, r.received_at, r.user_status, r.outcome, r.changed_membership,
    r.changed_override, r.reference_id, e.source, e.actor, e.description, e.expires_at,
    r.kafka_topic, r.kafka_partition, r.kafka_epoch, r.kafka_offset,
    (h.state).is_member AS is_member_after, ('{add,block}'::text[])[(h.state).override] AS override_after
FROM reporting.result AS r
INNER JOIN reporting.event AS e
    ON e.kafka_topic = r.kafka_topic AND e.kafka_partition = r.kafka_partition
    AND e.kafka_epoch = r.kafka_epoch AND e.kafka_offset = r.kafka_offset
    AND e.network_id = $1 AND e.segment_id = $2 AND e.user_id = $3
INNER JOIN segments.lane AS l
    ON l.topic = r.kafka_topic AND l.partition = r.kafka_partition AND l.epoch = r.kafka_epoch
LEFT JOIN (SELECT * FROM projections.history WHERE segment_key = $4 AND person_id = $5) AS h
    ON h.lane_id = l.lane_id AND h.kafka_offset = r.kafka_offset
WHERE r.network_id = $1 AND r.segment_id = $2 AND r.user_id = $3 AND r.outcome NOT IN ('duplicate', 'rejected')
ORDER BY h.place NULLS LAST, r.received_at, r.kafka_topic, r.kafka_partition, r.kafka_offset
"""
_NOW = "SELECT * FROM reporting.user_segment WHERE network_id = $1 AND segment_id = $2 AND user_id = $3"


async def explain(
    connection: asyncpg.Connection[Any], network_id: str, segment_id: int, user: str
) -> dict[str, Any]:
    """Explain one key.

    user: as sent; it is normalised here, and `erased:<n>` finds an erased one.
    Returns: {"now": a row of reporting.user_segment or None, "events": one per event in the fold's order}.
    """
    key = await connection.fetchrow(_KEY, network_id, segment_id, user)
    if key is None:
        return {"now": None, "events": []}
    wanted = (network_id, segment_id, key["user_id"])
    now = await connection.fetchrow(_NOW, *wanted)
    events = await connection.fetch(_EVENTS, *wanted, key["segment_key"], key["person_id"])
    return {"now": dict(now) if now else None, "events": [dict(event) for event in events]}
