-- One segment. Parameters: segment_key.
SELECT segment_key, network_id, segment_id, segment_name, description, is_visible, created_at, created_by, archived_at
FROM segments.segment WHERE segment_key = $1
