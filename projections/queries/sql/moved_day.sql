-- The events that altered a UTC day of a segment after it was over, in the order in which they were recorded, each with what it
-- changed. Keys without an event since the day was over are not folded.
-- Parameters: $1 segment_key, $2 day, $3 limit.
SELECT
    (c.change).recorded_at AS recorded_at,
    e.status_change_timestamp,
    p.user_id,
    segments.status_word(e.user_status) AS user_status,
    coalesce(e.source, 'kafka') AS source,
    e.actor,
    l.topic || ':' || l.partition || ':' || l.epoch || ':' || e.kafka_offset AS position,
    l.topic,
    c.members_before,
    c.members_after,
    c.joined_before,
    c.joined_after,
    c.left_before,
    c.left_after
FROM projections.moved_days($1::integer, unmoved_before => ($2::date + 1)::timestamp AT TIME ZONE 'UTC') AS c
INNER JOIN segments.lane AS l ON (c.change).lane_id = l.lane_id
INNER JOIN segments.event AS e ON e.lane_id = (c.change).lane_id AND e.kafka_offset = (c.change).kafka_offset
INNER JOIN segments.person AS p ON e.person_id = p.person_id
WHERE (c.change).day = $2 AND (c.change).recorded_at >= ($2 + 1)::timestamp AT TIME ZONE 'UTC'
ORDER BY (c.change).recorded_at, l.topic, l.partition, l.epoch, e.kafka_offset
LIMIT $3
