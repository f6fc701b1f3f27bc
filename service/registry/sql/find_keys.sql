-- API keys with the digests of their secrets. Parameters: key_id[].
SELECT key_id, network_id, key_name, scopes, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at,
    secret_digest
FROM segments.api_key WHERE key_id = ANY ($1)
