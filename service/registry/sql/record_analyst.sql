-- Record that a role was granted networks, or that these were revoked. Parameters: role, network_id[], change, actor.
INSERT INTO segments.analyst_event (role_name, network_id, change, actor)
SELECT $1, n.network_id, $3, $4 FROM unnest($2::text[]) AS n (network_id)
RETURNING role_name, network_id, change, changed_at, actor
