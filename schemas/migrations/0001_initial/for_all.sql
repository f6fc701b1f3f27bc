-- Settings that apply to all objects made before.

-- EXECUTE is granted in the file of each function, and to no other role.
REVOKE ALL ON ALL ROUTINES IN SCHEMA segments, projections, reporting, reporting_network FROM public;

-- The triggers that protect the log are ALWAYS: others do not fire with session_replication_role = replica.
DO $$
DECLARE
    made record;
BEGIN
    FOR made IN
        SELECT t.tgname, t.tgrelid::regclass AS of_table FROM pg_catalog.pg_trigger AS t
        INNER JOIN pg_catalog.pg_class AS c ON t.tgrelid = c.oid
        WHERE c.relnamespace = 'segments'::regnamespace AND NOT t.tgisinternal
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', made.of_table, made.tgname);
    END LOOP;
END $$;
