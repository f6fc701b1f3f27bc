-- Whether a network has any segment. Parameters: network_id.
SELECT EXISTS (SELECT FROM segments.segment WHERE network_id = $1)
