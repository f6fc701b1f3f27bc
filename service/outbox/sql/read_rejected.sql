-- Rejected records of a lane. Parameters: lane_id, first offset, next offset, limit.
SELECT kafka_offset, received_at, recorded_at, reason, detail, network_id, reference_id, record_key, payload_text,
    next_offset
FROM segments.rejected WHERE lane_id = $1 AND kafka_offset >= $2 AND kafka_offset < $3 ORDER BY kafka_offset LIMIT $4
