-- Holes of a lane that begin in a range of offsets, as view hole shows them.
-- Parameters: $1 topic, $2 partition, $3 epoch, $4 first offset, $5 the offset after the last.
SELECT v.* FROM reporting.hole AS v
WHERE v.kafka_topic = $1 AND v.kafka_partition = $2::integer AND v.kafka_epoch = $3::integer
    AND v.first_offset >= $4::bigint AND v.first_offset < $5::bigint
ORDER BY v.first_offset
