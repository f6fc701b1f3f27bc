-- The API keys of all networks, newest first. Parameters: $1 whether also revoked and expired ones, $2 limit, $3 created_at and
-- $4 key_id of the key to continue before.
SELECT key_id, network_id, key_name, scopes, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at
FROM segments.api_key
WHERE
    ($1::boolean OR (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())))
    AND (created_at, key_id) < ($3::timestamptz, $4::text COLLATE "C")
ORDER BY created_at DESC, key_id DESC
LIMIT $2
