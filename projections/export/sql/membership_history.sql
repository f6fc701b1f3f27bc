-- The intervals of keys, as view membership_history shows them; duration in microseconds.
-- Parameters: $1 network or null, $2 only keys recorded since then.
SELECT
    v.event_id,
    v.network_id,
    v.segment_id,
    v.user_id,
    v.valid_from,
    v.valid_to,
    v.is_current,
    v.is_member,
    v.override,
    v.cause,
    v.reference_id,
    v.last_recorded_at,
    (extract(EPOCH FROM v.duration) * 1000000)::bigint AS duration
FROM reporting.membership_history AS v
WHERE ($1::text IS NULL OR v.network_id = $1::text) AND v.last_recorded_at >= $2::timestamptz
