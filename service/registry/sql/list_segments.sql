-- The segments of a network, or of all. Parameters: network_id or null.
SELECT segment_key, network_id, segment_id, segment_name, description, is_visible, created_at, created_by, archived_at
FROM segments.segment
WHERE $1::text IS NULL OR network_id = $1 ORDER BY network_id, segment_id
