-- The login, if it can take on none of the service's roles. Parameters: role[].
SELECT session_user WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_roles AS r
    WHERE r.rolname = ANY ($1::text[]) AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
)
