-- The API keys of a network, or of all, revoked ones too, oldest first. Parameters: network_id or null.
SELECT key_id, network_id, key_name, scopes, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at
FROM segments.api_key
WHERE $1::text IS NULL OR network_id = $1 ORDER BY created_at, key_id
