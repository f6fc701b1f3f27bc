-- Analysts who see one network, or a few: the same views and functions in a schema of their own, by network.

-- Append-only, and the whole state: the newest row of a role and a network is what stands.
CREATE TABLE segments.analyst_event (
    analyst_event_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT analyst_event_pkey PRIMARY KEY,
    role_name text COLLATE "C" NOT NULL,
    network_id text COLLATE "C" NOT NULL,
    change text NOT NULL CONSTRAINT analyst_event_change_is_known CHECK (change IN ('granted', 'revoked')),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text
);
CREATE INDEX analyst_event_of_role ON segments.analyst_event (role_name, network_id, analyst_event_id);

CREATE TRIGGER analyst_event_is_immutable BEFORE UPDATE OR DELETE ON segments.analyst_event FOR EACH ROW
EXECUTE FUNCTION segments.refuse_change();
CREATE TRIGGER analyst_event_is_never_truncated BEFORE TRUNCATE ON segments.analyst_event FOR EACH STATEMENT
EXECUTE FUNCTION segments.refuse_change();

-- What stands: which role was granted which network. A role that was dropped has nothing, also if its name is taken
-- again: only segments_report_network opens the schema, and the new one is not its member.
CREATE VIEW segments.analyst AS
SELECT a.role_name, a.network_id, a.changed_at, a.actor, r.oid AS role
FROM (
    SELECT DISTINCT ON (role_name, network_id) role_name, network_id, change, changed_at, actor
    FROM segments.analyst_event
    ORDER BY role_name ASC, network_id ASC, analyst_event_id DESC
) AS a
INNER JOIN pg_catalog.pg_roles AS r ON a.role_name = r.rolname
WHERE a.change = 'granted';

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

CREATE SCHEMA reporting_network;
COMMENT ON SCHEMA reporting_network IS
'Schema reporting for an analyst of some networks: the same views and functions, with the rows of these networks.';

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
DO $$
DECLARE
    name text;
    view text;
    own text;
    told record;
    columns text;
BEGIN
    FOR name, view IN
        SELECT v.table_name, rtrim(pg_get_viewdef(format('reporting.%I', v.table_name)::regclass), ';')
        FROM information_schema.views AS v WHERE v.table_schema = 'reporting'
        ORDER BY v.table_name = 'automation_disagreement', v.table_name
    LOOP
        IF name IN ('automation_disagreement', 'watermark') THEN
            -- One is made of another view, the other is for all.
            own := CASE name WHEN 'watermark' THEN view ELSE replace(view, 'reporting.', 'reporting_network.') END;
            EXECUTE format('CREATE VIEW reporting_network.%I WITH (security_barrier) AS %s', name, own);
            CONTINUE;
        END IF;
        -- A table without an alias gets its own name for one.
        own := regexp_replace(view, 'segments\.(segment|lane)$', '\& AS \1');
        FOR told IN SELECT * FROM (VALUES
            ('segments.segment', 'network_id = own.network_id'), ('segments.person', 'network_id = own.network_id'),
            ('segments.rejected', 'network_id = own.network_id'),
            ('segments.registry_event', 'segment_key = ANY (own.segments)'),
            ('segments.event', 'segment_key = ANY (own.segments)'), ('segments.duplicate', 'segment_key = ANY (own.segments)'),
            ('projections.membership', 'segment_key = ANY (own.segments)'),
            ('projections.size', 'segment_key = ANY (own.segments)'),
            ('projections.size_daily', 'segment_key = ANY (own.segments)'),
            ('segments.hole', 'lane_id = ANY (own.lanes)'), ('segments.lane', 'lane_id = ANY (own.lanes)')
        ) AS v (of_table, is_theirs)
        LOOP
            SELECT string_agg(format('t.%I', a.attname)
                || CASE WHEN a.attname IN ('reference_id', 'topic') THEN format(' COLLATE "POSIX" AS %I', a.attname) ELSE '' END,
                ', ')
            INTO columns FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = told.of_table::regclass AND a.attnum > 0 AND NOT a.attisdropped;
            own := regexp_replace(own, format('\m%s\M', replace(told.of_table, '.', '\.')),
                format('(SELECT %s FROM %s AS t WHERE t.%s)', columns, told.of_table, told.is_theirs), 'g');
        END LOOP;
        IF own NOT LIKE '%own.%' THEN
            RAISE EXCEPTION 'view reporting.% is of no table that is told apart by network', name;
        END IF;
        EXECUTE format(
            'CREATE VIEW reporting_network.%I WITH (security_barrier) AS'
            ' SELECT v.* FROM %s AS own, LATERAL (WITH apart AS (SELECT) %s) AS v', name,
            CASE WHEN name IN ('lane', 'freshness', 'hole')
                THEN '(SELECT segments.shown_lanes(current_user) AS lanes OFFSET 0)' ELSE 'segments.own(current_user)' END,
            own);
    END LOOP;
END $$;

CREATE FUNCTION reporting_network.normalise_user(text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN reporting.normalise_user($1);

-- It reads the log, so it runs as its owner, and finds who asks in the session: the role it has taken on, or its login.
CREATE FUNCTION reporting_network.membership_as_of(
    at timestamptz DEFAULT 'infinity', known_at timestamptz DEFAULT 'infinity',
    network_id text DEFAULT NULL, segment_id bigint DEFAULT NULL, user_id text DEFAULT NULL
) RETURNS SETOF reporting.membership_state
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asking name := coalesce(nullif(current_setting('role', true), 'none'), session_user);
    visible text;
BEGIN
    FOR visible IN
        SELECT DISTINCT a.network_id FROM segments.analyst AS a
        WHERE pg_has_role(asking, a.role, 'USAGE')
          AND (membership_as_of.network_id IS NULL OR a.network_id = membership_as_of.network_id)
    LOOP
        RETURN QUERY SELECT * FROM reporting.membership_as_of(
            membership_as_of.at, membership_as_of.known_at, visible,
            membership_as_of.segment_id, membership_as_of.user_id);
    END LOOP;
END $$;

-- The words of schema reporting, for all that has its name.
DO $$
DECLARE
    said record;
BEGIN
    FOR said IN
        SELECT c.relname AS view, NULL AS "column", obj_description(c.oid, 'pg_class') AS words
        FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = 'reporting'::regnamespace AND c.relkind = 'v'
        UNION ALL
        SELECT c.relname, a.attname, col_description(c.oid, a.attnum)
        FROM pg_catalog.pg_class AS c INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'reporting'::regnamespace AND c.relkind = 'v' AND a.attnum > 0
    LOOP
        IF said."column" IS NULL THEN
            EXECUTE format('COMMENT ON VIEW reporting_network.%I IS %L', said.view, said.words);
        ELSE
            EXECUTE format('COMMENT ON COLUMN reporting_network.%I.%I IS %L', said.view, said."column", said.words);
        END IF;
    END LOOP;
END $$;
COMMENT ON VIEW reporting_network.rejected IS
'Records that were refused, with the reason; those whose network could not be read belong to nobody and are not here.';
COMMENT ON FUNCTION reporting_network.normalise_user(text) IS
'An identifier as the log has it: an email (with @) trimmed of ASCII white space and A-Z made a-z, any other as it stands.';
COMMENT ON FUNCTION reporting_network.membership_as_of(timestamptz, timestamptz, text, bigint, text) IS
'The state of each key of your networks after all its events with status_change_timestamp <= at and recorded_at <= known_at, from the log. Final for known_at below watermark.recorded_until.';

REVOKE ALL ON SCHEMA reporting_network FROM public;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA reporting_network FROM public;
REVOKE ALL ON FUNCTION segments.own(name), segments.shown_lanes(name) FROM public;
GRANT USAGE ON SCHEMA reporting_network TO segments_report_network;
GRANT SELECT ON ALL TABLES IN SCHEMA reporting_network TO segments_report_network;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reporting_network TO segments_report_network;
-- Functions inside a view or an inlined function are called as whoever asks; without the schema they can't be named.
GRANT EXECUTE ON FUNCTION segments.event_id(text, integer, integer, bigint), reporting.normalise_user(text),
segments.own(name), segments.shown_lanes(name)
TO segments_report_network;
GRANT EXECUTE ON FUNCTION segments.fold_step(
    segments.key_state, segments.key_state, smallint, timestamptz, timestamptz, timestamptz,
    integer, bigint, timestamptz, integer, bigint
), segments.fold(
    segments.key_state, smallint, timestamptz, timestamptz, timestamptz, integer, bigint, timestamptz, integer, bigint
) TO segments_report_network;

-- Granting and revoking is registered here by whoever may also grant the role: the login of setup.
GRANT SELECT ON segments.analyst, segments.analyst_event TO segments_operate;
