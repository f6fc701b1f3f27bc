-- The next records of a selection that can be retried, in the order of their lanes.
-- Parameters: $1 to $9 those of segments.retriable(); $10 lane_id and $11 offset to continue after; $12 limit.
SELECT l.topic AS kafka_topic, l.partition AS kafka_partition, l.epoch AS kafka_epoch, r.kafka_offset,
    r.lane_id, r.network_id, r.record_key, r.payload, r.headers
FROM (
    SELECT t.lane_id, t.kafka_offset FROM segments.retriable($1, $2, $3, $4, $5, $6, $7, $8, $9) AS t
    WHERE t.left_out IS NULL AND (t.lane_id, t.kafka_offset) > ($10::integer, $11::bigint)
    ORDER BY t.lane_id, t.kafka_offset LIMIT $12
) AS p
INNER JOIN segments.rejected AS r ON p.lane_id = r.lane_id AND p.kafka_offset = r.kafka_offset
INNER JOIN segments.lane AS l ON r.lane_id = l.lane_id
ORDER BY r.lane_id, r.kafka_offset
