-- Make the missing state rows of a batch's keys, in key order. Parameters: slot, lane_id[], first offset[], next
-- offset[].
INSERT INTO projections.membership (slot, segment_key, person_id, network_id, segment_id)
SELECT $1::smallint, k.segment_key, k.person_id, s.network_id, s.segment_id
FROM (
    SELECT DISTINCT e.segment_key, e.person_id
    FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS w (lane_id, first, until)
    CROSS JOIN LATERAL (
        SELECT f.segment_key, f.person_id FROM segments.event AS f
        WHERE f.lane_id = w.lane_id AND f.kafka_offset >= w.first AND f.kafka_offset < w.until
        OFFSET 0
    ) AS e
) AS k
INNER JOIN segments.segment AS s ON k.segment_key = s.segment_key
ORDER BY k.segment_key, k.person_id
ON CONFLICT DO NOTHING
