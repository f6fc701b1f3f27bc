-- Duplicates and rejected records match their digests, and are blanked if and only if an erasure was recorded.
SELECT v.view, concat_ws('-', l.topic, l.partition, l.epoch, v.kafka_offset) AS key,
    'all columns'' digest ' || encode(v.expected, 'hex') AS expected, encode(v.found, 'hex') AS found
FROM (
    SELECT 'duplicate' AS view, d.lane_id, d.kafka_offset, d.digest AS expected, segments.row_digest(d) AS found
    FROM segments.duplicate AS d
    UNION ALL
    SELECT 'hole', h.lane_id, h.first_offset, h.digest, segments.row_digest(h) FROM segments.hole AS h
    UNION ALL
    SELECT 'rejected', r.lane_id, r.kafka_offset, r.digest, segments.row_digest(r) FROM segments.rejected AS r
) AS v LEFT JOIN segments.lane AS l ON v.lane_id = l.lane_id
WHERE v.found IS DISTINCT FROM v.expected
UNION ALL
SELECT 'rejected', concat_ws('-', l.topic, l.partition, l.epoch, r.kafka_offset),
    CASE WHEN e.recorded THEN 'blank' ELSE 'what was sent' END,
    CASE WHEN e.recorded THEN 'what is no longer there' ELSE 'blanked by nobody' END
FROM segments.rejected AS r
LEFT JOIN segments.lane AS l ON r.lane_id = l.lane_id
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM segments.erasure AS x WHERE x.person_id IN (r.person_id, r.key_person_id)
        UNION ALL
        SELECT FROM segments.rejected_erasure AS y WHERE y.lane_id = r.lane_id AND y.kafka_offset = r.kafka_offset
    ) AS recorded
) AS e
WHERE r.blanked IS NOT NULL
    AND NOT (e.recorded AND (r.detail, r.record_key, r.payload, r.payload_text, r.headers::text, r.salt) IS NULL)
ORDER BY 1, 2 LIMIT 100
