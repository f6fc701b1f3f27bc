-- The states of membership_as_of(), by key. Parameters: $1 at, $2 known_at, $3 network_id, $4 segment_id, $5 user_id; or null.
SELECT network_id, segment_id, user_id, is_member, override
FROM reporting.membership_as_of(
    coalesce($1::timestamptz, 'infinity'), coalesce($2::timestamptz, 'infinity'), $3::text, $4::bigint, $5::text
)
ORDER BY network_id, segment_id, user_id
