-- The networks that a role was granted. Parameters: role.
SELECT network_id FROM segments.analyst WHERE role_name = $1 ORDER BY network_id
