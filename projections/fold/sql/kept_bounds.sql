-- Between which kept states of a key its late events lie: the last one before all of them, if there is one, and those after
-- all of them, in the key's order. Parameters: slot, segment_key, person_id, status_change_timestamp and received_at of the
-- first event, and of the last.
SELECT s.before, s.lane_id, s.kafka_offset, s.state
FROM (
    (
        SELECT true AS before, k.lane_id, k.kafka_offset, k.state::text AS state, 1 AS nth
        FROM projections.kept_state AS k
        INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
        WHERE k.slot = $1 AND k.segment_key = $2 AND k.person_id = $3
            AND k.status_change_timestamp <= $4 AND (k.status_change_timestamp, k.received_at) < ($4, $5)
        ORDER BY k.status_change_timestamp DESC, k.received_at DESC, l.topic DESC, l.partition DESC, k.kafka_offset DESC,
            l.epoch DESC
        LIMIT 1
    )
    UNION ALL
    SELECT false, k.lane_id, k.kafka_offset, NULL, row_number() OVER (
        ORDER BY k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch
    )
    FROM projections.kept_state AS k
    INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
    WHERE k.slot = $1 AND k.segment_key = $2 AND k.person_id = $3
        AND k.status_change_timestamp >= $6 AND (k.status_change_timestamp, k.received_at) > ($6, $7)
) AS s
ORDER BY s.before DESC, s.nth
