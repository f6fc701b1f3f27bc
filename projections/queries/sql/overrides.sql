-- Standing overrides of a segment, in the order of person_id. OFFSET 0 forces index look-ups, whatever number of rows the
-- planner expects. Parameters: $1 segment_key, $2 person_id to continue after, $3 limit.
SELECT
    k.person_id,
    p.user_id,
    k.is_member,
    segments.status_word(k.override) AS override,
    (k.state).override_since AS since,
    (k.state).expires_at AS expires_at,
    e.reference_id,
    e.description,
    coalesce(e.source, 'kafka') AS source,
    e.actor
FROM (
    SELECT m.person_id, m.is_member, m.override, m.state FROM projections.serving_membership AS m
    WHERE m.segment_key = $1 AND m.person_id > $2 AND m.override > 0
    ORDER BY m.person_id
    LIMIT $3::integer
) AS k
INNER JOIN segments.person AS p ON k.person_id = p.person_id
LEFT JOIN LATERAL (
    SELECT x.reference_id, x.description, x.source, x.actor FROM segments.event AS x
    WHERE x.lane_id = (k.state).stated_lane_id AND x.kafka_offset = (k.state).stated_offset
    OFFSET 0
) AS e ON true
ORDER BY k.person_id
