-- Record that a rejected record was published again. Parameters: lane_id, offset, actor, network_id, position of the new one.
INSERT INTO segments.retry (lane_id, kafka_offset, actor, network_id, retried_as) VALUES ($1, $2, $3, $4, $5)
