-- Change how a file is read, before it is started. Parameters: network_id, import_id, options, summary or null, content or null
-- to keep it.
UPDATE segments.import SET options = $3::jsonb, summary = $4::jsonb, content = coalesce($5::bytea, content)
WHERE network_id = $1 AND import_id = $2 AND NOT is_started
