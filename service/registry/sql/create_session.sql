-- Begin a session, and forget the key's sessions that are over. Parameters: token_digest, key_id, lifetime as an interval.
WITH over AS (
    DELETE FROM segments.session WHERE key_id = $2 AND expires_at <= clock_timestamp()
)
INSERT INTO segments.session (token_digest, key_id, expires_at) VALUES ($1, $2, clock_timestamp() + $3::interval)
