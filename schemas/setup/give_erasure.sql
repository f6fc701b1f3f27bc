-- The erasing functions run as their own role: the owner of the tables must not be able to do what they do.
-- Given away by the login itself, which alone is a member of both; while migrations run they are the owner's.
GRANT CREATE ON SCHEMA segments TO segments_erase;
DO $$
DECLARE
    erasing regprocedure;
BEGIN
    FOR erasing IN
        SELECT p.oid FROM pg_catalog.pg_proc AS p INNER JOIN pg_catalog.pg_namespace AS n ON p.pronamespace = n.oid
        WHERE n.nspname = 'segments' AND p.proname IN ('erase_person', 'erase_rejected')
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO segments_erase', erasing);
    END LOOP;
END $$;
REVOKE CREATE ON SCHEMA segments FROM segments_erase;
