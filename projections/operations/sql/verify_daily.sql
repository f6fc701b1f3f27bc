-- Daily sizes against the flips of the fold.
WITH expected AS (
    SELECT h.segment_key, (h.status_change_timestamp AT TIME ZONE 'UTC')::date AS day,
        count(*) FILTER (WHERE (h.state).effect & 1 <> 0 AND (h.state).is_member) AS joined,
        count(*) FILTER (WHERE (h.state).effect & 1 <> 0 AND NOT (h.state).is_member) AS departed,
        max(e.recorded_at) AS restated_at
    FROM projections.history AS h
    INNER JOIN segments.event AS e ON e.lane_id = h.lane_id AND e.kafka_offset = h.kafka_offset
    GROUP BY 1, 2
), found AS (
    SELECT z.segment_key, z.day, sum(z.joined) AS joined, sum(z.departed) AS departed, max(z.restated_at) AS restated_at
    FROM projections.serving_size_daily AS z
    GROUP BY 1, 2
)
SELECT 'segment_size_daily' AS view, concat_ws('/', s.network_id, s.segment_id, day) AS key,
    concat_ws('/', e.joined, e.departed, e.restated_at) AS expected,
    concat_ws('/', f.joined, f.departed, f.restated_at) AS found
FROM expected AS e FULL JOIN found AS f USING (segment_key, day)
LEFT JOIN segments.segment AS s USING (segment_key)
WHERE (e.joined, e.departed, e.restated_at) IS DISTINCT FROM (f.joined, f.departed, f.restated_at)
ORDER BY 2 LIMIT 100
