-- The highest segment id of a network; 0: it has no segment. Parameters: network_id.
SELECT coalesce(max(segment_id), 0) FROM segments.segment WHERE network_id = $1
