-- Revoke an API key, unless it is revoked. Parameters: key_id, actor.
UPDATE segments.api_key SET revoked_at = clock_timestamp(), revoked_by = $2 WHERE key_id = $1 AND revoked_at IS NULL
