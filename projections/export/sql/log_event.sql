-- The rows of table event of a lane in a range of offsets. Parameters: $1 lane_id, $2 first offset, $3 the offset after the last.
SELECT t.* FROM segments.event AS t
WHERE t.lane_id = $1::integer AND t.kafka_offset >= $2::bigint AND t.kafka_offset < $3::bigint
ORDER BY t.kafka_offset
