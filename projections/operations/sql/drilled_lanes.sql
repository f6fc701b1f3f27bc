-- The open lanes of some topics. Parameters: topic[].
SELECT topic, partition, epoch, next_offset, stopped_because FROM segments.lane
WHERE topic = ANY ($1::text[]) AND NOT closed ORDER BY topic, partition
