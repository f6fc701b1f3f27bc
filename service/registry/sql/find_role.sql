-- A role of Postgres: its roles that can read every network, whether it is an analyst, and its own privileges.
-- Parameters: name.
SELECT r.oid, r.rolcanlogin, r.rolconnlimit,
    (SELECT array_agg(g.rolname::text ORDER BY g.rolname) FROM pg_catalog.pg_roles AS g
        WHERE g.rolname IN ('segments_owner', 'segments_erase', 'segments_ingest', 'segments_project',
            'segments_registry', 'segments_operate', 'segments_api', 'segments_seal', 'segments_report')
        AND pg_catalog.pg_has_role(r.oid, g.oid, 'MEMBER')) AS sees_all_as,
    EXISTS (SELECT FROM pg_catalog.pg_auth_members AS m
        WHERE m.member = r.oid AND m.roleid = 'segments_report_network'::regrole) AS is_analyst,
    ARRAY(SELECT split_part(c.setting, '=', 1) FROM pg_catalog.pg_db_role_setting AS s
        CROSS JOIN LATERAL unnest(s.setconfig) AS c (setting)
        WHERE s.setrole = r.oid
        AND s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()))
    ) AS own_settings
FROM pg_catalog.pg_roles AS r WHERE r.rolname = $1
