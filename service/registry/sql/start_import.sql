-- Begin to send. Parameters: network_id, import_id.
UPDATE segments.import SET is_started = true WHERE network_id = $1 AND import_id = $2 AND summary IS NOT NULL
