-- How far the log has come in each open lane of the topics that commands are read from; of a topic without any one row.
-- Parameters: $1 the topic of commands, read besides those of segments.source.
SELECT t.topic, l.partition, l.epoch, l.next_offset, l.topic_id, l.stopped_because
FROM (SELECT $1::text AS topic UNION SELECT s.topic FROM segments.source AS s) AS t
LEFT JOIN segments.lane AS l ON t.topic = l.topic AND NOT l.closed
