-- The events that expiries name, by index from 1. An expiry with a position is found by it, also if the user was erased
-- meanwhile; others by their user. In both cases the event must have the id and the segment, and be an override of that user
-- (or of an erased one) with that expiry.
-- Parameters: network_id[], segment_key[], user[], expires_at[] (Unix seconds), event_id[]; the position or nulls: topic[],
-- partition[], epoch[], offset[].
SELECT w.number, e.lane_id, e.kafka_offset, e.person_id, p.salt, p.network_id || ':' || p.user_id
FROM unnest(
    $1::text[], $2::integer[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::integer[], $8::integer[],
    $9::bigint[]
) WITH ORDINALITY AS w (
    network_id, segment_key, user_id, expires_at, event_id, topic, partition, epoch, kafka_offset, number
)
CROSS JOIN LATERAL (
    SELECT n.lane_id, n.kafka_offset, n.person_id, n.segment_key, n.user_status, n.expires_at
    FROM segments.lane AS l INNER JOIN segments.event AS n ON l.lane_id = n.lane_id
    WHERE l.topic = w.topic AND l.partition = w.partition AND l.epoch = w.epoch AND n.kafka_offset = w.kafka_offset
    UNION ALL
    SELECT n.lane_id, n.kafka_offset, n.person_id, n.segment_key, n.user_status, n.expires_at
    FROM segments.person AS q INNER JOIN segments.event AS n ON q.person_id = n.person_id
    WHERE w.topic IS NULL AND q.user_id = w.user_id AND q.network_id = w.network_id AND n.segment_key = w.segment_key
) AS e
INNER JOIN segments.lane AS l ON l.lane_id = e.lane_id
INNER JOIN segments.person AS p ON p.person_id = e.person_id
WHERE e.segment_key = w.segment_key AND e.user_status <= 2 AND e.expires_at = to_timestamp(w.expires_at)
    AND segments.event_id(l.topic, l.partition, l.epoch, e.kafka_offset)::text = w.event_id
    AND p.network_id = w.network_id AND (p.user_id = w.user_id OR p.erased > 0)
