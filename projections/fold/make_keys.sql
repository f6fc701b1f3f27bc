-- Make the missing state rows of a batch's keys, in key order. Parameters: slot, lane_id, first offset, next offset.
INSERT INTO projections.membership (slot, segment_key, person_id)
SELECT DISTINCT $1::smallint, e.segment_key, e.person_id FROM segments.event AS e
WHERE e.lane_id = $2 AND e.kafka_offset >= $3 AND e.kafka_offset < $4
ORDER BY e.segment_key, e.person_id
ON CONFLICT DO NOTHING
