-- The positions of records with a reference, in order: events, their duplicates, rejected records.
-- Parameters: $1 network_id, $2 reference_id, $3 lane_id and $4 offset to continue after, $5 limit.
SELECT r.lane_id, r.kafka_offset
FROM (
    SELECT e.lane_id, e.kafka_offset
    FROM segments.event AS e
    INNER JOIN segments.segment AS s ON e.segment_key = s.segment_key
    WHERE e.reference_id = $2 AND s.network_id = $1
    UNION ALL
    SELECT d.lane_id, d.kafka_offset
    FROM segments.event AS e
    INNER JOIN segments.segment AS s ON e.segment_key = s.segment_key
    CROSS JOIN LATERAL (
        SELECT c.lane_id, c.kafka_offset FROM segments.duplicate AS c
        WHERE c.of_lane_id = e.lane_id AND c.of_offset = e.kafka_offset
        OFFSET 0
    ) AS d
    WHERE e.reference_id = $2 AND s.network_id = $1
    UNION ALL
    SELECT j.lane_id, j.kafka_offset
    FROM segments.rejected AS j
    WHERE j.reference_id = $2 AND j.network_id = $1
) AS r
WHERE (r.lane_id, r.kafka_offset) > ($3::integer, $4::bigint)
ORDER BY r.lane_id, r.kafka_offset
LIMIT $5::integer
