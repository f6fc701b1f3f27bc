-- Record that a rejected record was published again. Parameters: lane_id, offset, actor.
INSERT INTO segments.retry (lane_id, kafka_offset, actor) VALUES ($1, $2, $3)
