-- Change a segment. Parameters: segment_key, name, description, is_visible.
UPDATE segments.segment SET segment_name = $2, description = $3, is_visible = $4 WHERE segment_key = $1
