-- Make a link that begins one session, and record that. Parameters: token_digest, key_id, lifetime as an interval, actor.
WITH made AS (
    INSERT INTO segments.sign_in_link (token_digest, key_id, expires_at) VALUES ($1, $2, clock_timestamp() + $3::interval)
)
INSERT INTO segments.key_event (key_id, network_id, change, key_name, scopes, expires_at, actor)
SELECT k.key_id, k.network_id, 'link_made', k.key_name, k.scopes, k.expires_at, $4 FROM segments.api_key AS k WHERE k.key_id = $2
