-- Lock a network's segments against other changes; return their number. Parameters: network_id.
INSERT INTO segments.network AS n (network_id) VALUES ($1)
ON CONFLICT (network_id) DO UPDATE SET segments = n.segments
RETURNING segments
