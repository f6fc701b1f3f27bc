-- The progress of log and projections in each lane. Parameters: topic[].
SELECT f.*, l.stopped_because FROM reporting.freshness AS f
INNER JOIN reporting.lane AS l USING (kafka_topic, kafka_partition, kafka_epoch)
WHERE f.kafka_topic = ANY ($1::text[]) ORDER BY f.kafka_topic, f.kafka_partition, f.kafka_epoch, f.projection
