-- A selection of rejected records, counted by reason, topic and why they can't be retried (null: they can).
-- Parameters: those of segments.retriable().
SELECT t.rejected_as AS reason, t.kafka_topic AS topic, t.left_out, count(*) AS records
FROM segments.retriable($1, $2, $3, $4, $5, $6, $7, $8, $9) AS t
GROUP BY t.rejected_as, t.kafka_topic, t.left_out
ORDER BY t.rejected_as, t.kafka_topic, t.left_out NULLS FIRST
