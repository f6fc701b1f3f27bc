-- The networks granted to each login, and the limits of its sessions. Parameters: network_id or null.
SELECT role_name, network_id, changed_at, actor, (
    SELECT split_part(c.setting, '=', 2) FROM pg_catalog.pg_db_role_setting AS s
    CROSS JOIN LATERAL unnest(s.setconfig) AS c (setting)
    WHERE s.setrole = role AND c.setting LIKE 'statement_timeout=%'
    AND s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()))
    ORDER BY s.setdatabase DESC LIMIT 1
) AS statement_timeout, (
    SELECT CASE WHEN r.rolconnlimit >= 0 THEN r.rolconnlimit END FROM pg_catalog.pg_roles AS r WHERE r.oid = role
) AS connection_limit
FROM segments.analyst
WHERE ($1::text IS NULL OR network_id = $1) ORDER BY role_name, network_id
