-- A segment, archived or not. Parameters: network_id, segment_id.
SELECT segment_key, segment_id, segment_name FROM segments.segment WHERE network_id = $1 AND segment_id = $2
