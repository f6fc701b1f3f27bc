-- Statements that revoke from PUBLIC the rights of a role by which it can fill the disk, and grant segments_operate what
-- `verify --memberships` needs. Parameters: the role's name.
SELECT format('REVOKE TEMPORARY ON DATABASE %1$I FROM public; GRANT TEMPORARY ON DATABASE %1$I TO segments_operate', current_database())
WHERE has_database_privilege($1, current_database(), 'TEMPORARY')
UNION ALL
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM public', p.oid::regprocedure) FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace = 'pg_catalog'::regnamespace
AND p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'pg_logical_emit_message')
AND has_function_privilege($1, p.oid, 'EXECUTE')
