-- Kafka's id of the topic of each lane.
SELECT topic, partition, topic_id, concat_ws('-', topic, partition, epoch) AS lane FROM segments.lane
WHERE NOT closed AND stopped_because IS NULL AND topic_id IS NOT NULL ORDER BY topic, partition
