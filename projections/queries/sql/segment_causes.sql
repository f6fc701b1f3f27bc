-- Who joined and left a segment by cause, by those units of a time zone in which somebody did. It reads the segment's
-- intervals.
-- Parameters: $1 segment_key, $2 unit (day, week or month), $3 first and $4 last day, each or null, $5 time zone.
SELECT
    date_trunc($2::text, i.valid_from AT TIME ZONE $5::text)::date AS starts_on,
    count(*) FILTER (WHERE i.is_member AND segments.status_word(i.user_status) = 'enter') AS entered,
    count(*) FILTER (WHERE i.is_member AND segments.status_word(i.user_status) = 'add') AS added,
    count(*) FILTER (WHERE NOT i.is_member AND segments.status_word(i.user_status) = 'leave') AS departed,
    count(*) FILTER (WHERE NOT i.is_member AND segments.status_word(i.user_status) = 'block') AS blocked
FROM projections.serving_interval AS i
WHERE
    i.segment_key = $1 AND i.effect & 1 <> 0
    AND ($3::date IS NULL OR i.valid_from >= date_trunc($2, $3::timestamp) AT TIME ZONE $5)
    AND ($4::date IS NULL OR i.valid_from < ($4 + 1)::timestamp AT TIME ZONE $5)
GROUP BY starts_on
ORDER BY starts_on
