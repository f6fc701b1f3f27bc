-- A network's rejected records by reason and topic, those with the newest record first. Parameters: $1 network_id.
SELECT
    r.reason,
    l.topic,
    count(*) AS records,
    count(*) FILTER (WHERE y.lane_id IS NULL) AS new_records,
    min(r.recorded_at) AS first_at,
    max(r.recorded_at) AS last_at
FROM segments.rejected AS r
INNER JOIN segments.lane AS l ON r.lane_id = l.lane_id
LEFT JOIN (
    SELECT DISTINCT t.lane_id, t.kafka_offset FROM segments.retry AS t WHERE t.network_id = $1
) AS y ON r.lane_id = y.lane_id AND r.kafka_offset = y.kafka_offset
WHERE r.network_id = $1
GROUP BY r.reason, l.topic
ORDER BY max(r.recorded_at) DESC, r.reason, l.topic
