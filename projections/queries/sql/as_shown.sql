-- The states of membership_as_shown(), by key. Parameters: $1 at or null, $2 snapshot, $3 network_id, $4 segment_id,
-- $5 user_id; or null.
SELECT network_id, segment_id, user_id, is_member, override
FROM reporting.membership_as_shown($2::text, coalesce($1::timestamptz, 'infinity'), $3::text, $4::bigint, $5::text)
ORDER BY network_id, segment_id, user_id
