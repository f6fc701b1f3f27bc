-- The state of each key against the fold of the log below the checkpoints of the serving slot. A row without a state is
-- one too many: it is made and filled in one transaction.
WITH expected AS MATERIALIZED (
    SELECT e.segment_key, e.person_id, segments.fold(
        NULL::segments.key_state, e.user_status, e.status_change_timestamp, e.received_at, e.recorded_at,
        e.lane_id, e.kafka_offset, e.expires_at, e.expired_lane_id, e.expired_offset
        ORDER BY e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch
    ) AS state
    FROM segments.event AS e
    INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
    INNER JOIN projections.serving_checkpoint AS c ON e.lane_id = c.lane_id AND e.kafka_offset < c.next_offset
    GROUP BY e.segment_key, e.person_id
), found AS MATERIALIZED (
    SELECT m.segment_key, m.person_id, m.state FROM projections.serving_membership AS m
)
SELECT 'user_segment' AS view,
    concat_ws('/', s.network_id, coalesce(s.segment_id::text, 'segment key ' || segment_key),
        coalesce(p.user_id, 'person ' || person_id)) AS key,
    expected.state::text AS expected,
    CASE WHEN s.segment_key IS NULL THEN 'no such segment: ' WHEN p.person_id IS NULL THEN 'no such person: ' ELSE '' END
        || CASE WHEN found.segment_key IS NOT NULL AND (found.state).is_member IS NULL THEN 'a row without a state'
            ELSE found.state::text END AS found
FROM expected FULL JOIN found USING (segment_key, person_id)
LEFT JOIN segments.segment AS s USING (segment_key) LEFT JOIN segments.person AS p USING (person_id)
WHERE expected.state IS DISTINCT FROM found.state OR (expected.state).is_member IS NULL OR s.segment_key IS NULL OR p.person_id IS NULL
ORDER BY 2 LIMIT 100
