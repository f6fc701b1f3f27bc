-- Events of a lane in a range of offsets, as view event shows them.
-- Parameters: $1 topic, $2 partition, $3 epoch, $4 first offset, $5 the offset after the last, $6 network or null.
SELECT v.* FROM reporting.event AS v
WHERE v.kafka_topic = $1 AND v.kafka_partition = $2::integer AND v.kafka_epoch = $3::integer
    AND v.kafka_offset >= $4::bigint AND v.kafka_offset < $5::bigint AND ($6::text IS NULL OR v.network_id = $6::text)
ORDER BY v.kafka_offset
