-- The log's position in each open lane of the command topics; one row for a topic without lanes.
-- Parameters: $1 `<prefix>.commands`, which is read besides the topics in segments.source.
SELECT t.topic, l.partition, l.epoch, l.next_offset, l.topic_id, l.stopped_because
FROM (SELECT $1::text AS topic UNION SELECT s.topic FROM segments.source AS s) AS t
LEFT JOIN segments.lane AS l ON t.topic = l.topic AND NOT l.closed
