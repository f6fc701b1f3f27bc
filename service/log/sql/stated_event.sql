-- The override that a replayed expiry names, by what is the same in every installation; of several, the last in the fold's order.
-- Parameters: $1 person_id, $2 segment_key, $3 expires_at and $4 time (Unix seconds), $5 reference_id (null: a derived one),
-- $6 discriminator.
SELECT e.lane_id, e.kafka_offset, segments.event_id(l.topic, l.partition, l.epoch, e.kafka_offset)::text AS event_id
FROM segments.event AS e
INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
WHERE e.person_id = $1 AND e.segment_key = $2 AND e.status_change_timestamp = to_timestamp($4::bigint)
    AND e.expires_at = to_timestamp($3::bigint) AND e.user_status <= 2 AND e.discriminator = $6::text
    AND CASE WHEN $5::text IS NULL THEN e.reference_id LIKE 'auto:%' ELSE e.reference_id = $5 END
ORDER BY e.received_at DESC, l.topic DESC, l.partition DESC, e.kafka_offset DESC LIMIT 1
