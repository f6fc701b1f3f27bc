-- Events as they are replayed, in the order of their receipt, which is the fold's order among equal times.
-- Parameters: $1 network_id, $2 segment_id, $3 recorded_from, $4 recorded_before; null for all.
SELECT
    s.network_id, s.segment_id, p.user_id, p.erased <> 0 AS is_erased, e.user_sent,
    segments.status_word(e.user_status) AS user_status,
    extract(epoch FROM e.status_change_timestamp)::bigint AS time, e.discriminator, e.reference_id,
    extract(epoch FROM e.expires_at)::bigint AS expires_at, e.metadata::text AS metadata, e.description,
    coalesce(e.source, 'kafka') AS source, e.actor, e.request_id, l.topic, l.partition, l.epoch, e.kafka_offset,
    extract(epoch FROM n.status_change_timestamp)::bigint AS named_time, n.reference_id AS named_reference_id,
    n.discriminator AS named_discriminator
FROM segments.event AS e
INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
INNER JOIN segments.segment AS s ON e.segment_key = s.segment_key
INNER JOIN segments.person AS p ON e.person_id = p.person_id
LEFT JOIN segments.event AS n ON e.expired_lane_id = n.lane_id AND e.expired_offset = n.kafka_offset
WHERE ($1::text IS NULL OR s.network_id = $1) AND ($2::bigint IS NULL OR s.segment_id = $2)
    AND ($3::timestamptz IS NULL OR e.recorded_at >= $3) AND ($4::timestamptz IS NULL OR e.recorded_at < $4)
ORDER BY e.received_at, l.topic, l.partition, l.epoch, e.kafka_offset
