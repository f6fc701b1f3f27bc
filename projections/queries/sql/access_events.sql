-- Who read a network's data, newest first. Parameters: $1 network_id, $2 whether also what read all networks, $3 a part of
-- the actor, $4 segment id or user and $5 via, each or null, $6 from and $7 below a time, $8 time, $9 via (not used) and $10
-- number of the row to continue before, $11 limit. Reads of a user are found by the person, in a scan of their own.
SELECT
    a.access_event_id AS number,
    a.last_at AS happened_at,
    a.first_at,
    a.network_id,
    a.actor,
    a.key_id,
    a.via AS kind,
    a.route,
    a.segment_id,
    a.user_id,
    a.reads,
    a.rows_read
FROM (
    SELECT s.* FROM reporting.access_event AS s
    WHERE coalesce($4::text ~ '^[0-9]+$', true) AND ($4 IS NULL OR s.segment_id::text = $4)
    UNION ALL
    SELECT u.* FROM reporting.access_event AS u
    WHERE u.user_id IN ($4, reporting.normalise_user($4)) AND u.segment_id::text IS DISTINCT FROM $4
) AS a
WHERE
    (a.network_id = $1 OR ($2::boolean AND a.network_id IS NULL))
    AND ($3::text IS NULL OR position(lower($3) IN lower(a.actor)) > 0)
    AND ($5::text IS NULL OR a.via = $5)
    AND a.last_at >= $6::timestamptz AND a.last_at < $7::timestamptz
    AND (a.last_at, a.access_event_id) < ($8::timestamptz, $10::bigint) AND $9::text IS NOT NULL
ORDER BY a.last_at DESC, a.access_event_id DESC
LIMIT $11
