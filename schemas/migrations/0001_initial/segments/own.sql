-- The lanes of topics that were ever allowed to carry one of some networks; null: all lanes. `<prefix>.commands` may carry
-- every network until a rule restricts it.
CREATE FUNCTION segments.lanes_of(networks text []) RETURNS SETOF segments.lane LANGUAGE sql STABLE AS $$
    SELECT l.* FROM segments.lane AS l
    WHERE $1 IS NULL OR l.topic <> ALL (ARRAY(
        SELECT t.topic FROM segments.source_event AS t GROUP BY t.topic
        HAVING NOT bool_or(t.networks IS NULL OR t.networks && $1 OR t.topic = t.topic_prefix || '.commands')
    ))
$$;
GRANT EXECUTE ON FUNCTION segments.lanes_of TO segments_operate;

-- The caller's networks (of the role itself and of roles that it is a member of); if asked for, their segments and the
-- lanes of topics that may have carried them, else null. Functions, because a plan would show the rows; in PL/pgSQL, which
-- plans a query once per session: a function in SQL would plan it at each look-up, which takes longer than the look-up.
CREATE FUNCTION segments.own(asking name, with_segments boolean, with_lanes boolean)
RETURNS TABLE (network_id text, segments integer [], lanes integer [])
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT n.network_id,
        CASE WHEN with_segments THEN (
            SELECT coalesce(array_agg(s.segment_key ORDER BY s.segment_key), '{}') FROM segments.segment AS s
            WHERE s.network_id = n.network_id) END,
        CASE WHEN with_lanes THEN (
            SELECT coalesce(array_agg(l.lane_id ORDER BY l.lane_id), '{}')
            FROM segments.lanes_of(ARRAY[n.network_id]) AS l) END
    FROM (
        SELECT DISTINCT a.network_id FROM segments.analyst AS a WHERE pg_has_role(asking, a.role, 'USAGE')
    ) AS n;
END $$;
GRANT EXECUTE ON FUNCTION segments.own TO segments_report_network;

-- Only lanes of topics that may carry one of these networks now, because a topic's name may reveal its network.
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

-- The session's networks, all or the given one. Functions that run as their owner call it, so the role is not current_user
-- but the role that the session has set, or its login.
CREATE FUNCTION segments.visible_networks(of_network text DEFAULT NULL) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT a.network_id FROM segments.analyst AS a
    WHERE pg_has_role(coalesce(nullif(current_setting('role', true), 'none'), session_user::text)::name, a.role, 'USAGE')
        AND (of_network IS NULL OR a.network_id = of_network)
$$;
