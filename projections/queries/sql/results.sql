-- A network's rows of view result at some positions of the log, in order, each with its lane_id and the detail of a
-- rejection. OFFSET 0 forces one look-up per place.
-- Parameters: $1 network_id, $2 lane_ids, $3 offsets.
SELECT r.*, w.lane_id, j.detail
FROM unnest($2::integer[], $3::bigint[]) WITH ORDINALITY AS w (lane_id, kafka_offset, nth)
INNER JOIN segments.lane AS l ON w.lane_id = l.lane_id
CROSS JOIN LATERAL (
    SELECT v.* FROM reporting.result AS v
    WHERE
        v.kafka_topic = l.topic AND v.kafka_partition = l.partition AND v.kafka_epoch = l.epoch
        AND v.kafka_offset = w.kafka_offset AND v.network_id = $1
    OFFSET 0
) AS r
LEFT JOIN segments.rejected AS j ON w.lane_id = j.lane_id AND w.kafka_offset = j.kafka_offset
ORDER BY w.nth
