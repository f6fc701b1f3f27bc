-- End a session, and record that. Parameters: token_digest.
WITH ended AS (
    DELETE FROM segments.session WHERE token_digest = $1 RETURNING key_id || other_keys AS keys
)
INSERT INTO segments.key_event (key_id, network_id, change, key_name, scopes, expires_at, actor)
SELECT k.key_id, k.network_id, 'signed_out', k.key_name, k.scopes, k.expires_at, k.key_name
FROM ended AS e INNER JOIN segments.api_key AS k ON k.key_id = ANY (e.keys)
