-- The state of a key, and the expiry of its override. Parameters: network_id, segment_id, user_id.
SELECT u.*, (
    SELECT o.expires_at FROM reporting.override AS o
    WHERE o.network_id = $1 AND o.segment_id = $2 AND o.user_id = $3
) AS expires_at
FROM reporting.user_segment AS u WHERE u.network_id = $1 AND u.segment_id = $2 AND u.user_id = $3
