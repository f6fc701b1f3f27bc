-- How many commands of an import are not in the projections yet. Parameters: $1 network_id, $2 import_id.
SELECT count(*)
FROM segments.import AS m
INNER JOIN segments.import_line AS i ON m.import_id = i.import_id
LEFT JOIN segments.lane AS l ON i.topic = l.topic AND i.partition = l.partition AND i.epoch = l.epoch
LEFT JOIN projections.serving_checkpoint AS c ON l.lane_id = c.lane_id
WHERE m.network_id = $1 AND m.import_id = $2 AND i.topic IS NOT NULL AND i.kafka_offset >= coalesce(c.next_offset, 0)
