-- Every grant and revocation of networks, oldest first. Parameters: network_id or null.
SELECT role_name, network_id, change, changed_at, actor FROM segments.analyst_event
WHERE ($1::text IS NULL OR network_id = $1) ORDER BY analyst_event_id
