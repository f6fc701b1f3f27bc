-- Make an API key. Parameters: key_id, network_id, key_name, scopes, secret_digest, created_by, expires_at.
INSERT INTO segments.api_key (key_id, network_id, key_name, scopes, secret_digest, created_by, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING key_id, network_id, key_name, scopes, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at
