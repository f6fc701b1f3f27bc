-- Makes the view in reporting_network for the one of that name in reporting, with its comments, for
-- segments_report_network; or replaces it, once columns are appended. shows: of each table the rows of the caller's
-- networks; or the lanes shown to them; or what other views of reporting_network show; or everything.
-- The functions that such a view calls run as the caller and are granted to the role; without USAGE on their schema the
-- caller can't name them.
--
-- A view by network is the view of schema reporting over the caller's rows of each table, behind a security barrier: a
-- function in a query sees a row only after the network is checked, except leakproof ones (such as = and <), which can
-- use an index.
-- EXPLAIN ANALYZE shows the number of rows of each plan node, and which nodes were never executed. So:
-- - the scan of each table filters by network itself, together with the query's conditions: a join would filter after the
--   look-up, and a filter beside an index condition shows the number of rows that it removed;
-- - the caller's networks are found first and joined laterally: a sub-select would run only once a row matches the other
--   conditions; WITH separates the two, and lets conditions through (OFFSET 0 would not);
-- - one network at a time, because = is always an index condition and = ANY is not;
-- - references and topics have another collation with the same order, so that indexes over all networks are not used.
-- Lanes contain records of every network, and show only their number. The watermark is unrestricted: what is final for
-- all networks is final for each.
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
        -- A table without an alias gets its own name as alias.
        query := regexp_replace(query, 'segments\.(segment|lane)$', '\& AS \1');
        FOR part IN SELECT * FROM (VALUES
            ('segments.segment', 'network_id = own.network_id'), ('segments.person', 'network_id = own.network_id'),
            ('segments.rejected', 'network_id = own.network_id'),
            ('segments.registry_event', 'segment_key = ANY (own.segments)'),
            ('segments.key_event', 'network_id = own.network_id'), ('segments.access_event', 'network_id = own.network_id'),
            ('segments.analyst_event', 'network_id = own.network_id'), ('segments.retry', 'network_id = own.network_id'),
            ('segments.erasure', 'network_id = own.network_id'), ('segments.rejected_erasure', 'network_id = own.network_id'),
            ('segments.source_event', 'networks = ARRAY[own.network_id]'),
            ('segments.event', 'segment_key = ANY (own.segments)'), ('segments.duplicate', 'segment_key = ANY (own.segments)'),
            ('projections.serving_membership', 'segment_key = ANY (own.segments) AND t.network_id = own.network_id'),
            ('projections.serving_interval', 'segment_key = ANY (own.segments)'),
            ('projections.serving_size', 'segment_key = ANY (own.segments)'),
            ('projections.serving_size_daily', 'segment_key = ANY (own.segments)'),
            ('projections.serving_outcome', 'lane_id = ANY (own.lanes)'),
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
                ELSE format('segments.own(current_user, %L, %L)', query LIKE '%own.segments%', query LIKE '%own.lanes%') END,
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
