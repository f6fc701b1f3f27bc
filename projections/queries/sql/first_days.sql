-- Users who joined and left segments on each day, as of an earlier state of the views: the present values, less all later
-- effects. Parameters: the state, as $1 a snapshot or $2 a recorded_at that its events are below;
-- $3 network_id and $4 segment_id, or null.
WITH cut AS MATERIALIZED (
    SELECT c.* FROM projections.changes_between(
        $1::text, $2::timestamptz, NULL, CASE WHEN $3::text IS NOT NULL THEN ARRAY[$3::text] END
    ) AS c
), wanted AS MATERIALIZED (
    SELECT s.segment_key, s.network_id, s.segment_id FROM cut CROSS JOIN segments.segment AS s
    WHERE
        ($3 IS NULL OR s.network_id = $3) AND ($4::bigint IS NULL OR s.segment_id = $4)
        AND (cut.networks IS NULL OR s.network_id = ANY (cut.networks))
)
SELECT d.network_id, d.segment_id, d.day, sum(d.joined)::bigint AS joined, sum(d.departed)::bigint AS departed
FROM (
    SELECT w.network_id, w.segment_id, v.day, v.members_joined AS joined, v.members_left AS departed
    FROM reporting.segment_size_daily AS v
    INNER JOIN wanted AS w ON v.network_id = w.network_id AND v.segment_id = w.segment_id
    UNION ALL
    SELECT w.network_id, w.segment_id, (c.change).day, -(c.change).joined, -(c.change).departed
    FROM cut CROSS JOIN wanted AS w
    CROSS JOIN LATERAL projections.segment_day_changes(w.segment_key, cut.lanes, cut.begins, cut.ends, cut.unmoved_before) AS c
) AS d
GROUP BY d.network_id, d.segment_id, d.day
HAVING sum(d.joined) <> 0 OR sum(d.departed) <> 0
ORDER BY d.network_id, d.segment_id, d.day
