-- The last kept state of a key. Parameters: slot, segment_key, person_id.
SELECT k.lane_id, k.kafka_offset, k.state::text AS state
FROM projections.kept_state AS k
INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
WHERE k.slot = $1 AND k.segment_key = $2 AND k.person_id = $3
ORDER BY k.status_change_timestamp DESC, k.received_at DESC, l.topic DESC, l.partition DESC, k.kafka_offset DESC, l.epoch DESC
LIMIT 1
