-- The effects on days of the events between two states of the views: users who joined and left, by status, topic and day of
-- recording. Parameters: the first state, as $1 a snapshot or $2 a recorded_at that its events are below; $3 a snapshot or null
-- for now; $4 network_id and $5 segment_id, or null.
WITH cut AS MATERIALIZED (
    SELECT c.* FROM projections.changes_between(
        $1::text, $2::timestamptz, $3::text, CASE WHEN $4::text IS NOT NULL THEN ARRAY[$4::text] END
    ) AS c
)
SELECT s.network_id, s.segment_id, s.segment_name, d.day, segments.status_word(e.user_status) AS user_status, l.topic,
    (e.recorded_at AT TIME ZONE 'UTC')::date AS recorded_on, count(*) AS events, sum(d.joined) AS joined,
    sum(d.departed) AS departed
FROM cut
CROSS JOIN segments.segment AS s
CROSS JOIN LATERAL (
    SELECT (c.change).* FROM projections.segment_day_changes(s.segment_key, cut.lanes, cut.begins, cut.ends, cut.unmoved_before)
        AS c
    WHERE NOT (c.change).is_after
) AS d
INNER JOIN segments.event AS e ON d.lane_id = e.lane_id AND d.kafka_offset = e.kafka_offset
INNER JOIN segments.lane AS l ON d.lane_id = l.lane_id
WHERE
    ($4 IS NULL OR s.network_id = $4) AND ($5::bigint IS NULL OR s.segment_id = $5)
    AND (cut.networks IS NULL OR s.network_id = ANY (cut.networks))
GROUP BY s.network_id, s.segment_id, s.segment_name, d.day, e.user_status, l.topic, recorded_on
ORDER BY s.network_id, s.segment_id, d.day, recorded_on, l.topic, e.user_status
