-- What a snapshot token says, and that it is of a network. Parameters: token, network_id.
SELECT lanes, positions, unmoved_before FROM projections.read_snapshot($1::text, ARRAY[$2::text])
