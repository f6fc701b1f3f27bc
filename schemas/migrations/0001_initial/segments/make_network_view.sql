-- Makes the view of schema reporting_network beside the one of that name in schema reporting, with its words, for
-- segments_report_network; or makes it anew, once columns were appended. shows: of each table what is theirs; or of lanes
-- those that are shown to them; or what other views of reporting_network show; or everything.
-- What such a view calls is called as whoever asks, and is granted to the role; without the schema it can't be named.
--
-- A view by network is the view of schema reporting over what is theirs of each table, behind a security barrier: no
-- function that an analyst puts into a query sees a row before the network was checked, but for those that Postgres knows
-- to tell nothing (= and <, say), and these still find their way to an index.
-- EXPLAIN ANALYZE tells how many rows each part of a plan found, and which parts were never run. So:
-- - the scan of each table filters by network itself, together with whatever is asked for: a join would do it after the
--   look-up, and a filter beside the condition of an index tells how many rows it took away;
-- - what is theirs is found first and handed in from the side, for a sub-select would be run when some row fits the rest of
--   the filter, and not before; WITH keeps the two apart, and lets filters through (OFFSET 0 would not);
-- - one network at a time, for = is always a condition of an index where = ANY is not;
-- - references and topics are of another collation, which orders alike, so that the indexes of everybody's are not used.
-- Lanes hold every network's records, and say nothing of any but how many. The watermark is as it is: what is final
-- for all is final for each.
CREATE PROCEDURE segments.make_network_view(name text, shows text DEFAULT 'theirs')
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    everybodys regclass := format('reporting.%I', name)::regclass;
    query text := rtrim(pg_get_viewdef(everybodys), ';');
    part record;
    columns text;
BEGIN
    IF shows = 'their views' THEN
        query := replace(query, 'reporting.', 'reporting_network.');
    ELSIF shows IN ('theirs', 'shown lanes') THEN
        -- A table without an alias gets its own name for one.
        query := regexp_replace(query, 'segments\.(segment|lane)$', '\& AS \1');
        FOR part IN SELECT * FROM (VALUES
            ('segments.segment', 'network_id = own.network_id'), ('segments.person', 'network_id = own.network_id'),
            ('segments.rejected', 'network_id = own.network_id'),
            ('segments.registry_event', 'segment_key = ANY (own.segments)'),
            ('segments.event', 'segment_key = ANY (own.segments)'), ('segments.duplicate', 'segment_key = ANY (own.segments)'),
            ('projections.serving_membership', 'segment_key = ANY (own.segments)'),
            ('projections.serving_interval', 'segment_key = ANY (own.segments)'),
            ('projections.serving_outcome', 'segment_key = ANY (own.segments)'),
            ('projections.serving_size', 'segment_key = ANY (own.segments)'),
            ('projections.serving_size_daily', 'segment_key = ANY (own.segments)'),
            ('segments.hole', 'lane_id = ANY (own.lanes)'), ('segments.lane', 'lane_id = ANY (own.lanes)')
        ) AS v (of_table, is_theirs)
        LOOP
            SELECT string_agg(format('t.%I', a.attname)
                || CASE WHEN a.attname IN ('reference_id', 'topic') THEN format(' COLLATE "POSIX" AS %I', a.attname) ELSE '' END,
                ', ')
            INTO columns FROM pg_attribute AS a
            WHERE a.attrelid = part.of_table::regclass AND a.attnum > 0 AND NOT a.attisdropped;
            query := regexp_replace(query, format('\m%s\M', replace(part.of_table, '.', '\.')),
                format('(SELECT %s FROM %s AS t WHERE t.%s)', columns, part.of_table, part.is_theirs), 'g');
        END LOOP;
        IF query NOT LIKE '%own.%' THEN
            RAISE EXCEPTION 'view % is of no table that is told apart by network', everybodys;
        END IF;
        query := format('SELECT v.* FROM %s AS own, LATERAL (WITH apart AS (SELECT) %s) AS v',
            CASE shows WHEN 'shown lanes' THEN '(SELECT segments.shown_lanes(current_user) AS lanes OFFSET 0)'
                ELSE 'segments.own(current_user)' END,
            query);
    ELSIF shows <> 'everything' THEN
        RAISE EXCEPTION 'a view by network cannot show %', shows;
    END IF;
    EXECUTE format('CREATE OR REPLACE VIEW reporting_network.%I WITH (security_barrier) AS %s', name, query);
    EXECUTE format('COMMENT ON VIEW reporting_network.%I IS %L', name, obj_description(everybodys, 'pg_class'));
    FOR part IN
        SELECT a.attname AS column_name, col_description(everybodys, a.attnum) AS words FROM pg_attribute AS a
        WHERE a.attrelid = everybodys AND a.attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN reporting_network.%I.%I IS %L', name, part.column_name, part.words);
    END LOOP;
    EXECUTE format('GRANT SELECT ON reporting_network.%I TO segments_report_network', name);
END $$;
