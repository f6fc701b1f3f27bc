-- Rejected records of a lane in a range of offsets, as view rejected shows them, with what view result says of them.
-- Parameters: $1 topic, $2 partition, $3 epoch, $4 first offset, $5 the offset after the last, $6 network or null.
SELECT
    v.*,
    r.segment_id,
    p.user_id,
    r.user_status,
    r.status_change_timestamp
FROM reporting.rejected AS v
INNER JOIN segments.lane AS l ON v.kafka_topic = l.topic AND v.kafka_partition = l.partition AND v.kafka_epoch = l.epoch
INNER JOIN segments.rejected AS r ON l.lane_id = r.lane_id AND v.kafka_offset = r.kafka_offset
LEFT JOIN segments.person AS p ON r.person_id = p.person_id
WHERE v.kafka_topic = $1 AND v.kafka_partition = $2::integer AND v.kafka_epoch = $3::integer
    AND v.kafka_offset >= $4::bigint AND v.kafka_offset < $5::bigint AND ($6::text IS NULL OR v.network_id = $6::text)
ORDER BY v.kafka_offset
