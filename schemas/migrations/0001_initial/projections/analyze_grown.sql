-- Autovacuum visits a table at most once a minute. Until then the planner assumes that a quickly filled table is empty, and
-- statements prepared meanwhile scan all of it, so the workers analyze tables that have grown tenfold.
CREATE FUNCTION projections.analyze_grown() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    grown regclass;
BEGIN
    FOR grown IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.oid IN (
            'segments.event'::regclass, 'segments.person'::regclass,
            'projections.membership_0'::regclass, 'projections.membership_1'::regclass,
            'projections.past_interval_0'::regclass, 'projections.past_interval_1'::regclass
        ) AND pg_relation_size(c.oid) > 10 * 8192 * greatest(c.relpages, 2)
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', grown); -- another worker may be analyzing it
    END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION projections.analyze_grown TO segments_project;
