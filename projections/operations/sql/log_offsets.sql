-- The log's positions in the open lanes of some topics. Parameters: topic[].
SELECT topic, partition, next_offset FROM segments.lane WHERE topic = ANY ($1::text[]) AND NOT closed
