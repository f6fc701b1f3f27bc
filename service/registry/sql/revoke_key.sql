-- Revoke an API key, unless it is, and record that. Parameters: key_id, actor.
WITH revoked AS (
    UPDATE segments.api_key SET revoked_at = clock_timestamp(), revoked_by = $2 WHERE key_id = $1 AND revoked_at IS NULL
    RETURNING key_id, network_id, key_name, scopes, expires_at
)
INSERT INTO segments.key_event (key_id, network_id, change, key_name, scopes, expires_at, actor)
SELECT r.key_id, r.network_id, 'revoked', r.key_name, r.scopes, r.expires_at, $2 FROM revoked AS r
