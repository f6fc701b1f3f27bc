-- Duplicates of a lane in a range of offsets, as view duplicate shows them, with the network of the event that they repeat.
-- Parameters: $1 topic, $2 partition, $3 epoch, $4 first offset, $5 the offset after the last, $6 network or null.
SELECT
    v.*,
    s.network_id
FROM reporting.duplicate AS v
INNER JOIN segments.lane AS l ON v.kafka_topic = l.topic AND v.kafka_partition = l.partition AND v.kafka_epoch = l.epoch
INNER JOIN segments.duplicate AS d ON l.lane_id = d.lane_id AND v.kafka_offset = d.kafka_offset
INNER JOIN segments.segment AS s ON d.segment_key = s.segment_key
WHERE v.kafka_topic = $1 AND v.kafka_partition = $2::integer AND v.kafka_epoch = $3::integer
    AND v.kafka_offset >= $4::bigint AND v.kafka_offset < $5::bigint AND ($6::text IS NULL OR s.network_id = $6::text)
ORDER BY v.kafka_offset
