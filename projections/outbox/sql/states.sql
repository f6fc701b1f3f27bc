-- The states of the keys in a range of a lane, or of some keys.
-- Parameters: lane_id, first offset and next offset of the range, or null; segment_key[] and person_id[], or empty.
WITH keys AS MATERIALIZED (
    SELECT DISTINCT e.segment_key, e.person_id FROM segments.event AS e
    WHERE e.lane_id = $1 AND e.kafka_offset >= $2 AND e.kafka_offset < $3
    UNION ALL
    SELECT g.segment_key, g.person_id FROM unnest($4::integer[], $5::bigint[]) AS g (segment_key, person_id)
)
SELECT s.network_id, s.segment_id, p.user_id, (m.state).is_member AS is_member,
    segments.status_word((m.state).override) AS override,
    (m.state).last_change_at AS last_change_at, (m.state).last_recorded_at AS last_recorded_at
FROM keys AS k
CROSS JOIN LATERAL (
    SELECT n.state FROM projections.serving_membership AS n
    WHERE n.segment_key = k.segment_key AND n.person_id = k.person_id
    OFFSET 0
) AS m
INNER JOIN segments.segment AS s ON s.segment_key = k.segment_key
CROSS JOIN LATERAL (
    SELECT q.user_id FROM segments.person AS q WHERE q.person_id = k.person_id OFFSET 0
) AS p
