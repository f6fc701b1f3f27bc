-- The rows of the log that do not match their digest. Parameters: limit.
SELECT w.kind, concat_ws(':', l.topic, l.partition, l.epoch, w.kafka_offset) AS key FROM (
    SELECT 'event' AS kind, e.lane_id, e.kafka_offset
    FROM segments.event AS e
    LEFT JOIN segments.person AS p ON e.person_id = p.person_id
    LEFT JOIN segments.segment AS s ON e.segment_key = s.segment_key
    LEFT JOIN segments.lane AS x ON e.lane_id = x.lane_id
    WHERE p.person_id IS NULL OR (e.blanked IS NOT NULL AND (e.user_sent, e.description, e.metadata::text) IS DISTINCT FROM (NULL, NULL, NULL))
        OR e.digest IS DISTINCT FROM segments.event_digest(
            e, coalesce(e.blanked, segments.personal_digest(
                p.salt, p.network_id, p.user_id, e.user_sent, e.description, e.metadata::text
            )), s.segment_id, x.topic, x.partition, x.epoch
        )
    UNION ALL
    SELECT 'rejected', r.lane_id, r.kafka_offset FROM segments.rejected AS r
    WHERE r.digest IS DISTINCT FROM segments.row_digest(r) OR (r.blanked IS NOT NULL AND (
        r.detail, r.record_key, r.payload, r.payload_text, r.headers
    ) IS DISTINCT FROM (NULL, NULL, NULL, NULL, NULL))
    UNION ALL
    SELECT 'duplicate', d.lane_id, d.kafka_offset FROM segments.duplicate AS d WHERE d.digest <> segments.row_digest(d)
    UNION ALL
    SELECT 'hole', h.lane_id, h.first_offset FROM segments.hole AS h WHERE h.digest <> segments.row_digest(h)
) AS w
LEFT JOIN segments.lane AS l ON w.lane_id = l.lane_id
ORDER BY w.lane_id, w.kafka_offset LIMIT $1
