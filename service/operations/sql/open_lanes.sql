-- The open lanes of some topics. Parameters: topic[].
SELECT topic, partition, lane_id, epoch, topic_id, first_offset, next_offset, last_offset, last_timestamp, last_digest,
    stopped_because
FROM segments.lane WHERE topic = ANY ($1::text[]) AND NOT closed ORDER BY topic, partition
