-- Begin a session. Expired sessions and links of every key are deleted, and the oldest ones of this key above the limit.
-- Parameters: token_digest, key_id, lifetime as an interval, the maximum of other sessions of the key, other key_ids.
WITH expired AS (
    DELETE FROM segments.session WHERE expires_at <= now()
), unused AS (
    DELETE FROM segments.sign_in_link WHERE expires_at <= now()
), ended AS (
    DELETE FROM segments.session WHERE token_digest IN (
        SELECT s.token_digest FROM segments.session AS s
        WHERE s.key_id = $2 AND s.expires_at > now() ORDER BY s.created_at DESC OFFSET $4
    )
)
INSERT INTO segments.session (token_digest, key_id, expires_at, other_keys)
VALUES ($1, $2, clock_timestamp() + $3::interval, $5)
