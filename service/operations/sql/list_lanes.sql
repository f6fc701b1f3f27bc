-- All lanes.
SELECT * FROM reporting.lane ORDER BY kafka_topic, kafka_partition, kafka_epoch
