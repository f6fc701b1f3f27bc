-- A network's rejected records by reason, topic and UTC day of their record, from a day on. Parameters: $1 network_id, $2 day,
-- $3 all reasons, so that the index is read from that day on for each.
SELECT r.reason, l.topic, (r.recorded_at AT TIME ZONE 'UTC')::date AS day, count(*) AS records
FROM segments.rejected AS r
INNER JOIN segments.lane AS l ON r.lane_id = l.lane_id
WHERE r.network_id = $1 AND r.reason = ANY($3::text[]) AND r.recorded_at >= $2::date::timestamp AT TIME ZONE 'UTC'
GROUP BY r.reason, l.topic, day
