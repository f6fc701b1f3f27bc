-- The segment of a network with a name, or otherwise with an id. Parameters: network_id, name, segment_id or null.
SELECT segment_id, segment_name FROM segments.segment
WHERE network_id = $1 AND (segment_name = $2 OR segment_id = $3)
ORDER BY segment_name = $2 DESC LIMIT 1
