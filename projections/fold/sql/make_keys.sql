-- Make the missing state rows of a batch's keys, in key order. Parameters: slot, lane_id[], first offset[], next
-- offset[].
INSERT INTO projections.membership (slot, segment_key, person_id)
SELECT DISTINCT $1::smallint, e.segment_key, e.person_id
FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS w (lane_id, first, until)
CROSS JOIN LATERAL (
    SELECT f.segment_key, f.person_id FROM segments.event AS f
    WHERE f.lane_id = w.lane_id AND f.kafka_offset >= w.first AND f.kafka_offset < w.until
    OFFSET 0
) AS e
ORDER BY e.segment_key, e.person_id
ON CONFLICT DO NOTHING
