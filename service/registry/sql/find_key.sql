-- One API key. Parameters: key_id.
SELECT key_id, network_id, key_name, scopes, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at
FROM segments.api_key WHERE key_id = $1
