-- Record what a key did on the dashboard. Parameters: key_id, change.
INSERT INTO segments.key_event (key_id, network_id, change, key_name, scopes, expires_at, actor)
SELECT k.key_id, k.network_id, $2, k.key_name, k.scopes, k.expires_at, k.key_name FROM segments.api_key AS k WHERE k.key_id = $1
