-- Set the last use of API keys to now. Parameters: key_id[].
UPDATE segments.api_key SET last_used_at = clock_timestamp() WHERE key_id = ANY ($1)
