-- Return the erasing functions to the owner while migrations run: see give_erasure.sql. They do not exist before the first
-- migration.
DO $$
DECLARE
    erasing regprocedure;
BEGIN
    FOR erasing IN
        SELECT p.oid FROM pg_catalog.pg_proc AS p INNER JOIN pg_catalog.pg_namespace AS n ON p.pronamespace = n.oid
        WHERE n.nspname = 'segments' AND p.proname IN ('erase_person', 'erase_rejected')
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO segments_owner', erasing);
    END LOOP;
END $$;
