-- An import of a network. Parameters: network_id, import_id.
SELECT import_id, network_id, key_name, created_at, file_name, content, options, summary, is_started, sent_until, finished_at
FROM segments.import WHERE network_id = $1 AND import_id = $2
