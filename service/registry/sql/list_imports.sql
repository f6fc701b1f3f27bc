-- The imports of a network, the newest first. Parameters: network_id, limit.
SELECT import_id, key_name, created_at, file_name, is_started, finished_at
FROM segments.import WHERE network_id = $1
ORDER BY created_at DESC LIMIT $2
