-- Count one more segment of a network. Parameters: network_id.
UPDATE segments.network SET segments = segments + 1 WHERE network_id = $1
