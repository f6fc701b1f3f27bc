-- One rejected record; within a rejected batch, its only row. Parameters: topic, partition, epoch, offset.
SELECT r.*, x.lane_id, x.record_key, x.headers
FROM segments.lane AS l
INNER JOIN segments.rejected AS x ON x.lane_id = l.lane_id AND x.kafka_offset = segments.rejected_at(l.lane_id, $4)
INNER JOIN reporting.rejected AS r
    ON r.kafka_topic = l.topic AND r.kafka_partition = l.partition AND r.kafka_epoch = l.epoch
    AND r.kafka_offset = x.kafka_offset
WHERE l.topic = $1 AND l.partition = $2 AND l.epoch = $3
