-- The states of keys, as view user_segment shows them. Parameters: $1 network or null, $2 only keys recorded since then.
SELECT v.* FROM reporting.user_segment AS v
WHERE ($1::text IS NULL OR v.network_id = $1::text) AND v.last_recorded_at >= $2::timestamptz
