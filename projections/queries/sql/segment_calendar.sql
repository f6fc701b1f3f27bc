-- A segment's size at the end of each unit of UTC days, and the users who joined and left in it; from a day on, or from its
-- first day.
-- Parameters: $1 network_id, $2 segment_id, $3 unit (day, week or month), $4 first and $5 last day, each or null.
SELECT
    c.starts_on,
    (array_agg(c.members ORDER BY c.day DESC))[1] AS members,
    sum(c.members_joined)::bigint AS members_joined,
    sum(c.members_left)::bigint AS members_left,
    max(c.restated_at) AS restated_at
FROM (
    SELECT date_trunc($3::text, d.day::timestamp)::date AS starts_on, d.day, d.members, d.members_joined, d.members_left,
        d.restated_at
    FROM reporting.segment_size_calendar AS d
    WHERE d.network_id = $1 AND d.segment_id = $2
) AS c
WHERE
    ($4::date IS NULL OR c.starts_on >= date_trunc($3, $4::timestamp)::date)
    AND ($5::date IS NULL OR c.starts_on <= $5)
GROUP BY c.starts_on
ORDER BY c.starts_on
