-- Lock the state rows of a batch's keys, in key order, and count those that are missing.
-- LATERAL and OFFSET 0 force one look-up per key, however large the table. Parameters: slot, lane_id[], first
-- offset[], next offset[].
WITH keys AS MATERIALIZED (
    SELECT DISTINCT e.segment_key, e.person_id
    FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS w (lane_id, first, until)
    CROSS JOIN LATERAL (
        SELECT f.segment_key, f.person_id FROM segments.event AS f
        WHERE f.lane_id = w.lane_id AND f.kafka_offset >= w.first AND f.kafka_offset < w.until
        OFFSET 0
    ) AS e
), locked AS MATERIALIZED (
    SELECT 1 FROM (SELECT k.segment_key, k.person_id FROM keys AS k ORDER BY k.segment_key, k.person_id) AS k
    CROSS JOIN LATERAL (
        SELECT 1 FROM projections.membership AS m
        WHERE m.slot = $1 AND m.segment_key = k.segment_key AND m.person_id = k.person_id
        FOR UPDATE OF m
        OFFSET 0
    ) AS m
)
SELECT (SELECT count(*) FROM keys) - (SELECT count(*) FROM locked)
