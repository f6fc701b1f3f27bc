-- What was done in a network besides commands, newest first. Parameters: $1 network_id, $2 whether also what concerns no
-- single network, $3 a part of the actor, $4 object and $5 kind, each or null, $6 from and $7 below a time, $8 time, $9 kind
-- and $10 number of the event to continue before, $11 limit.
SELECT a.kind, a.number, a.happened_at, a.network_id, a.actor, a.change, a.object, a.before, a.after
FROM reporting.admin_event AS a
WHERE
    (a.network_id = $1 OR ($2::boolean AND a.network_id IS NULL))
    AND ($3::text IS NULL OR position(lower($3) IN lower(a.actor)) > 0)
    AND ($4::text IS NULL OR a.object = $4)
    AND ($5::text IS NULL OR a.kind = $5)
    AND a.happened_at >= $6::timestamptz AND a.happened_at < $7::timestamptz
    AND (a.happened_at, a.kind, a.number) < ($8::timestamptz, $9::text, $10::bigint)
ORDER BY a.happened_at DESC, a.kind DESC, a.number DESC
LIMIT $11
