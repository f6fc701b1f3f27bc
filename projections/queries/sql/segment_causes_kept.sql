-- Who joined and left a segment by cause, by those units of UTC days in which somebody did. It reads the kept days.
-- Parameters: $1 segment_key, $2 unit (day, week or month), $3 first and $4 last day, each or null.
SELECT
    date_trunc($2::text, z.day::timestamp)::date AS starts_on,
    sum(z.joined - z.added)::bigint AS entered,
    sum(z.added)::bigint AS added,
    sum(z.departed - z.blocked)::bigint AS departed,
    sum(z.blocked)::bigint AS blocked
FROM projections.serving_size_daily AS z
WHERE
    z.segment_key = $1
    AND ($3::date IS NULL OR z.day >= date_trunc($2, $3::timestamp)::date)
    AND ($4::date IS NULL OR z.day <= $4)
GROUP BY starts_on
HAVING sum(z.joined) > 0 OR sum(z.departed) > 0
ORDER BY starts_on
