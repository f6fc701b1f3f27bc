-- Lock the state rows of a batch's keys, in key order, and count those that are missing.
-- Parameters: slot, lane_id, first offset, next offset.
WITH keys AS MATERIALIZED (
    SELECT DISTINCT e.segment_key, e.person_id FROM segments.event AS e
    WHERE e.lane_id = $2 AND e.kafka_offset >= $3 AND e.kafka_offset < $4
), locked AS MATERIALIZED (
    SELECT m.segment_key FROM projections.membership AS m
    INNER JOIN keys AS k ON m.segment_key = k.segment_key AND m.person_id = k.person_id
    WHERE m.slot = $1
    ORDER BY m.segment_key, m.person_id
    FOR UPDATE OF m
)
SELECT (SELECT count(*) FROM keys) - (SELECT count(*) FROM locked)
