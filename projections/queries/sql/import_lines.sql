-- What became of the lines of an import, in order; outcome is null while a command is on its way. OFFSET 0 forces one look-up
-- per line.
-- Parameters: $1 network_id, $2 import_id, $3 line to continue after, $4 limit.
SELECT i.line, i.fault, i.topic, i.partition, i.kafka_offset, r.user_id, r.user_status, r.outcome, r.reason, j.detail
FROM segments.import AS m
INNER JOIN segments.import_line AS i ON m.import_id = i.import_id
LEFT JOIN segments.lane AS l ON i.topic = l.topic AND i.partition = l.partition AND i.epoch = l.epoch
LEFT JOIN LATERAL (
    SELECT v.user_id, v.user_status, v.outcome, v.reason FROM reporting.result AS v
    WHERE
        v.kafka_topic = l.topic AND v.kafka_partition = l.partition AND v.kafka_epoch = l.epoch
        AND v.kafka_offset = i.kafka_offset AND v.network_id = $1
    OFFSET 0
) AS r ON true
LEFT JOIN segments.rejected AS j ON l.lane_id = j.lane_id AND i.kafka_offset = j.kafka_offset AND j.network_id = $1
WHERE m.network_id = $1 AND m.import_id = $2 AND i.line > $3::bigint
ORDER BY i.line
LIMIT $4::integer
