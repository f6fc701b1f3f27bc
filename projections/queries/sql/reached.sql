-- The positions of the log and the projections in the open lanes of these records, if the lane reads the record's topic:
-- in a topic with another id the offset belongs to another command.
-- Parameters: topic[], partition[], offset[], Kafka's id of the topic[].
SELECT w.nth::integer - 1 AS nth, l.lane_id, l.next_offset > w.kafka_offset AS logged,
    c.next_offset > w.kafka_offset AS projected
FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::uuid[])
    WITH ORDINALITY AS w (topic, partition, kafka_offset, topic_id, nth)
INNER JOIN segments.lane AS l ON l.topic = w.topic AND l.partition = w.partition AND NOT l.closed
LEFT JOIN projections.serving_checkpoint AS c ON c.lane_id = l.lane_id
WHERE l.next_offset > w.kafka_offset AND l.stopped_because IS NULL AND l.topic_id = w.topic_id IS NOT FALSE
