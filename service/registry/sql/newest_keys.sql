-- The newest API keys of all networks, newest first. Parameters: whether also revoked and expired ones, limit.
SELECT key_id, network_id, key_name, scopes, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at
FROM segments.api_key
WHERE $1::boolean OR (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()))
ORDER BY created_at DESC, key_id DESC
LIMIT $2
