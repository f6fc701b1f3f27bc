-- The sizes of a network's segments. Parameters: network_id.
SELECT network_id, segment_id, segment_name, members, added, blocked
FROM reporting.segment_size WHERE network_id = $1 ORDER BY segment_id
