-- What is whose: each network of a role itself and of those whose rights it has, its segments, and the lanes of topics
-- that ever might have spoken for it. Functions, so that a plan shows none of it; in PL/pgSQL, as that plans a query once
-- a session, where a function in SQL would do it at each look-up and take longer than the look-up.
CREATE FUNCTION segments.own(asking name) RETURNS TABLE (network_id text, segments integer [], lanes integer [])
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT n.network_id,
        (SELECT coalesce(array_agg(s.segment_key ORDER BY s.segment_key), '{}') FROM segments.segment AS s
            WHERE s.network_id = n.network_id),
        (SELECT coalesce(array_agg(l.lane_id ORDER BY l.lane_id), '{}') FROM segments.lane AS l
            WHERE NOT EXISTS (SELECT FROM segments.source_event AS t WHERE t.topic = l.topic)
            -- The first topic might say everything before somebody said otherwise.
            OR EXISTS (SELECT FROM segments.source_event AS t WHERE t.topic = l.topic AND (
                t.networks IS NULL OR n.network_id = ANY (t.networks) OR t.topic = t.topic_prefix || '.commands')))
    FROM (
        SELECT DISTINCT a.network_id FROM segments.analyst AS a WHERE pg_has_role(asking, a.role, 'USAGE')
    ) AS n;
END $$;
GRANT EXECUTE ON FUNCTION segments.own TO segments_report_network;

-- Of lanes those are shown that may speak for one of them now: a topic's very name may say whose it is.
CREATE FUNCTION segments.shown_lanes(asking name) RETURNS integer []
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT coalesce(array_agg(l.lane_id ORDER BY l.lane_id), '{}') FROM segments.lane AS l
    WHERE NOT EXISTS (
        SELECT FROM segments.source AS t WHERE t.topic = l.topic AND t.networks IS NOT NULL AND NOT EXISTS (
            SELECT FROM segments.analyst AS a
            WHERE a.network_id = ANY (t.networks) AND pg_has_role(asking, a.role, 'USAGE'))));
END $$;
GRANT EXECUTE ON FUNCTION segments.shown_lanes TO segments_report_network;
