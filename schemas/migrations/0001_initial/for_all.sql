-- What holds of all that was made before.

-- Whoever may call something is named where it is made; nobody else may.
REVOKE ALL ON ALL ROUTINES IN SCHEMA segments, projections, reporting, reporting_network FROM public;

-- What keeps the log from being changed does so whatever the session says: session_replication_role = replica would pass
-- a trigger by that is not ALWAYS.
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
