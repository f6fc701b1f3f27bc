-- Make a segment. Parameters: network_id, segment_id, name, description, is_visible, actor.
INSERT INTO segments.segment (network_id, segment_id, segment_name, description, is_visible, created_at, created_by)
VALUES ($1, $2, $3, $4, $5, clock_timestamp(), $6)
RETURNING segment_key
