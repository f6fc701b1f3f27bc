-- As segment_calendar, by the units of a time zone: it reads every interval of the segment.
-- Parameters: $1 network_id, $2 segment_id, $3 unit (day, week or month), $4 first and $5 last day, each or null,
-- $6 time zone.
SELECT
    (u.starts_at AT TIME ZONE $6::text)::date AS starts_on,
    u.members,
    u.members_joined,
    u.members_left,
    NULL::timestamptz AS restated_at
FROM (
    SELECT min(d.day)::timestamp AT TIME ZONE 'UTC' AS first_at FROM reporting.segment_size_daily AS d
    WHERE d.network_id = $1::text AND d.segment_id = $2::bigint
) AS f
CROSS JOIN LATERAL reporting.segment_size_series(
    $1, $2, greatest(f.first_at, date_trunc($3::text, $4::timestamp) AT TIME ZONE $6),
    least(now(), ($5::date + 1)::timestamp AT TIME ZONE $6), $3, $6
) AS u
WHERE f.first_at IS NOT NULL
ORDER BY u.starts_at
