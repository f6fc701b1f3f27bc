-- Networks with segments, by name. Parameters: $1 limit.
SELECT n.network_id FROM segments.network AS n ORDER BY n.network_id LIMIT $1
