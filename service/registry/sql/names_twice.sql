-- Names of several segments of a network, with their ids. Parameters: network_id.
SELECT segment_name, array_agg(segment_id ORDER BY segment_id) AS ids FROM segments.segment
WHERE network_id = $1 GROUP BY segment_name HAVING count(*) > 1 ORDER BY segment_name
