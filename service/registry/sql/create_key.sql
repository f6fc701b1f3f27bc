-- Make an API key, and record that. Parameters: key_id, network_id, key_name, scopes, secret_digest, created_by, expires_at.
WITH made AS (
    INSERT INTO segments.api_key (key_id, network_id, key_name, scopes, secret_digest, created_by, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    RETURNING key_id, network_id, key_name, scopes, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at
), recorded AS (
    INSERT INTO segments.key_event (key_id, network_id, change, key_name, scopes, expires_at, actor)
    SELECT m.key_id, m.network_id, 'created', m.key_name, m.scopes, m.expires_at, m.created_by FROM made AS m
)
SELECT * FROM made
