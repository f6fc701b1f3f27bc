-- Make a link that begins one session. Parameters: token_digest, key_id, lifetime as an interval.
INSERT INTO segments.sign_in_link (token_digest, key_id, expires_at) VALUES ($1, $2, clock_timestamp() + $3::interval)
