-- One segment. Parameters: network_id, segment_id.
SELECT segment_key, network_id, segment_id, segment_name, description, is_visible, created_at, created_by, archived_at
FROM segments.segment WHERE network_id = $1 AND segment_id = $2
