-- Roles belong to the cluster, so setups of two databases may collide here: setup retries.
--
-- segments_owner: owns all objects except the erasing functions.
-- segments_erase: owns the erasing functions, given to it by setup; no login of the service is a member of it.
-- segments_ingest: appends, moves lanes, inserts people.
-- segments_project: everything in schema projections, nothing in the log.
-- segments_registry: the segments and their changes, command topics, API keys.
-- segments_operate: lane adopt, lane skip, rejected retry, erasures, analysts, status, explain, verify.
-- segments_api: reads the views, what a dry run needs, and outcomes by reference; records the last use of API keys.
-- segments_seal: reads the log and signs it; appends to the tables of the seal.
-- segments_report: the views and functions of schema reporting, and nothing else. segments_report_network: those of schema
-- reporting_network.
-- The file of each object has its grants: to each role the least that it needs.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'segments_owner', 'segments_erase', 'segments_ingest', 'segments_project',
        'segments_registry', 'segments_operate', 'segments_api', 'segments_seal', 'segments_report', 'segments_report_network'
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
