-- Where the events of a segment come from, of the newest records of each open lane: the latest source first.
-- Parameters: $1 segment_key, $2 how many offsets of each lane are looked at, $3 limit.
SELECT l.topic, coalesce(e.source, 'kafka') AS source, e.actor, count(*) AS events, max(e.received_at) AS last_received_at
FROM segments.lane AS l
CROSS JOIN LATERAL (
    SELECT x.source, x.actor, x.received_at FROM segments.event AS x
    WHERE x.lane_id = l.lane_id AND x.kafka_offset >= l.next_offset - $2::bigint AND x.segment_key = $1
    OFFSET 0
) AS e
WHERE NOT l.closed
GROUP BY l.topic, e.source, e.actor
ORDER BY last_received_at DESC, l.topic, source, e.actor
LIMIT $3::integer
