-- How far each open lane is, and those of earlier epochs that are not projected; the lag is that of the slowest projection,
-- the rate of the last minute and counted up to 100,000 records. Parameters: $1 topic[].
SELECT
    l.topic, l.partition, l.epoch, l.next_offset, l.end_offset, l.end_seen_at, l.events, l.duplicates, l.rejected, l.holes,
    CASE WHEN NOT l.closed THEN l.stopped_because END AS stopped_because,
    CASE WHEN l.closed THEN 0 ELSE greatest(l.end_offset - l.next_offset, 0) END AS ingest_behind,
    l.next_offset - c.projected AS projection_behind,
    w.recorded_at AS waiting_since,
    m.records AS last_minute
FROM segments.lane AS l
CROSS JOIN LATERAL (
    SELECT coalesce(min(coalesce(k.next_offset, l.first_offset)), l.first_offset) AS projected
    FROM projections.generation AS g
    LEFT JOIN projections.checkpoint AS k ON g.projection = k.projection AND g.slot = k.slot AND k.lane_id = l.lane_id
) AS c
LEFT JOIN LATERAL (
    SELECT e.recorded_at FROM segments.event AS e
    WHERE e.lane_id = l.lane_id AND e.kafka_offset >= c.projected
    ORDER BY e.kafka_offset LIMIT 1
) AS w ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS records FROM segments.event AS e
    WHERE e.lane_id = l.lane_id AND e.kafka_offset >= l.next_offset - 100000
        AND e.recorded_at > clock_timestamp() - interval '1 minute'
) AS m
WHERE l.topic = ANY ($1::text[]) AND (NOT l.closed OR c.projected < l.next_offset)
ORDER BY l.topic, l.partition, l.epoch
