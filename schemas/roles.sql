-- Roles belong to the cluster, so two databases set up at once may both be at it: setup retries.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'segments_owner', 'segments_erase', 'segments_ingest', 'segments_project',
        'segments_registry', 'segments_operate', 'segments_api', 'segments_report', 'segments_report_network'
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
    IF NOT pg_catalog.pg_has_role(current_user, 'segments_owner', 'MEMBER') THEN
        EXECUTE format('GRANT segments_owner, segments_erase TO %I', current_user);
    END IF;
    IF NOT pg_catalog.has_database_privilege('segments_owner', current_database(), 'CREATE') THEN
        EXECUTE format('GRANT CREATE ON DATABASE %I TO segments_owner', current_database());
    END IF;
END $$;
