-- The last events of a segment by receipt, of the newest records of each open lane, each with whether it is projected.
-- Parameters: $1 segment_key, $2 how many offsets of each lane are looked at, $3 limit.
SELECT
    segments.event_id(e.topic, e.partition, e.epoch, e.kafka_offset) AS event_id,
    p.user_id,
    segments.status_word(e.user_status) AS user_status,
    e.status_change_timestamp,
    e.received_at,
    coalesce(e.source, 'kafka') AS source,
    e.actor,
    e.topic,
    coalesce(e.kafka_offset < c.next_offset, false) AS is_projected
FROM (
    SELECT l.topic, l.partition, l.epoch, x.*
    FROM segments.lane AS l
    CROSS JOIN LATERAL (
        SELECT y.lane_id, y.kafka_offset, y.person_id, y.user_status, y.status_change_timestamp, y.received_at, y.source,
            y.actor
        FROM segments.event AS y
        WHERE y.lane_id = l.lane_id AND y.kafka_offset >= l.next_offset - $2::bigint AND y.segment_key = $1
        OFFSET 0
    ) AS x
    WHERE NOT l.closed
    ORDER BY x.received_at DESC, l.topic DESC, l.partition DESC, x.kafka_offset DESC
    LIMIT $3::integer
) AS e
INNER JOIN segments.person AS p ON e.person_id = p.person_id
LEFT JOIN projections.serving_checkpoint AS c ON e.lane_id = c.lane_id
ORDER BY e.received_at DESC, e.topic DESC, e.partition DESC, e.kafka_offset DESC
