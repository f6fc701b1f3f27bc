-- Each reference to a person or a segment is valid, and both belong to the same network.
SELECT v.view, v.key, v.expected, v.found FROM (
    SELECT 'event' AS view, concat_ws('-', l.topic, l.partition, l.epoch, e.kafka_offset) AS key,
        'a person and a segment of one network' AS expected,
        concat_ws(' ', 'person', e.person_id, p.network_id, 'segment', e.segment_key, s.network_id) AS found
    FROM segments.event AS e
    LEFT JOIN segments.lane AS l ON e.lane_id = l.lane_id
    LEFT JOIN segments.person AS p ON e.person_id = p.person_id
    LEFT JOIN segments.segment AS s ON e.segment_key = s.segment_key
    WHERE (p.network_id = s.network_id) IS NOT TRUE
    UNION ALL
    SELECT 'duplicate', concat_ws('-', l.topic, l.partition, l.epoch, i.kafka_offset),
        'an idempotency key of the event''s network',
        concat_ws(' ', 'key', i.network_id, 'person', e.person_id, p.network_id)
    FROM segments.idempotency AS i
    LEFT JOIN segments.lane AS l ON i.lane_id = l.lane_id
    LEFT JOIN segments.event AS e ON i.lane_id = e.lane_id AND i.kafka_offset = e.kafka_offset
    LEFT JOIN segments.person AS p ON e.person_id = p.person_id
    WHERE (p.network_id = i.network_id) IS NOT TRUE
    UNION ALL
    SELECT 'rejected', concat_ws('-', l.topic, l.partition, l.epoch, r.kafka_offset),
        'a person of network ' || coalesce(r.network_id, '?'),
        concat_ws(' ', 'person', r.person_id, p.network_id, 'by its key', r.key_person_id, k.network_id)
    FROM segments.rejected AS r
    LEFT JOIN segments.lane AS l ON r.lane_id = l.lane_id
    LEFT JOIN segments.person AS p ON r.person_id = p.person_id
    LEFT JOIN segments.person AS k ON r.key_person_id = k.person_id
    WHERE (r.person_id IS NOT NULL AND (p.network_id = r.network_id) IS NOT TRUE)
        OR (r.key_person_id IS NOT NULL AND k.person_id IS NULL)
    UNION ALL
    SELECT 'user_segment', concat_ws('-', 'person', m.person_id, 'segment', m.segment_key),
        'a person and a segment of one network, and its number',
        concat_ws(
            ' ', 'person', m.person_id, p.network_id, 'segment', m.segment_key, s.network_id, 'named', m.network_id, m.segment_id
        )
    FROM projections.serving_membership AS m
    LEFT JOIN segments.person AS p ON m.person_id = p.person_id
    LEFT JOIN segments.segment AS s ON m.segment_key = s.segment_key
    WHERE (p.network_id = s.network_id AND m.network_id = s.network_id AND m.segment_id = s.segment_id) IS NOT TRUE
    UNION ALL
    SELECT DISTINCT 'segment_size', 'segment ' || z.segment_key, 'a segment that is there', 'none'
    FROM (
        SELECT a.segment_key FROM projections.size AS a UNION ALL SELECT d.segment_key FROM projections.size_daily AS d
    ) AS z
    LEFT JOIN segments.segment AS s ON z.segment_key = s.segment_key
    WHERE s.segment_key IS NULL
) AS v ORDER BY 1, 2 LIMIT 100
