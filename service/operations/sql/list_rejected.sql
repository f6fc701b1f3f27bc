-- Rejected records, newest first. Parameters: reason or null, network_id or null, whether to include retried ones, limit.
SELECT kafka_topic, kafka_partition, kafka_epoch, kafka_offset, received_at, recorded_at, reason, detail,
    network_id, reference_id, retried_at
FROM reporting.rejected
WHERE ($1::text IS NULL OR reason = $1) AND ($2::text IS NULL OR network_id = $2)
    AND (retried_at IS NULL OR $3)
ORDER BY recorded_at DESC, kafka_topic, kafka_partition, kafka_offset DESC LIMIT $4
