-- The content of a snapshot token, checked to be of a network. Parameters: token, network_id.
SELECT lanes, positions, unmoved_before FROM projections.read_snapshot($1::text, ARRAY[$2::text])
