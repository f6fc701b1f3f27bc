-- A network's rejected records by reason and topic, from a UTC day on, those with the newest record first.
-- Parameters: $1 network_id, $2 day, $3 all reasons, so that the index is read from that day on for each.
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
WHERE r.network_id = $1 AND r.reason = ANY($3::text[]) AND r.recorded_at >= $2::date::timestamp AT TIME ZONE 'UTC'
GROUP BY r.reason, l.topic
ORDER BY max(r.recorded_at) DESC, r.reason, l.topic
