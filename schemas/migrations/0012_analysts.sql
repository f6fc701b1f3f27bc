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

-- The networks of whoever asks, one row each: of the role itself, and of those whose rights it has.
CREATE VIEW segments.visible_network AS
SELECT DISTINCT network_id FROM segments.analyst WHERE pg_catalog.pg_has_role(current_user, role, 'USAGE');

CREATE SCHEMA reporting_network;
COMMENT ON SCHEMA reporting_network IS
'Schema reporting for an analyst of some networks: the same views and functions, with the rows of these networks.';

-- Topics that may speak for others alone: their very names may say whose they are.
CREATE VIEW segments.foreign_topic AS
SELECT t.topic FROM segments.source AS t
WHERE
    t.networks IS NOT NULL
    AND NOT EXISTS (SELECT FROM segments.visible_network AS v WHERE ARRAY[v.network_id] <@ t.networks);

-- A duplicate is its event's network's; the other views have what they are told apart by.
CREATE VIEW reporting_network.duplicate WITH (security_barrier) AS
SELECT
    l.topic AS kafka_topic,
    l.partition AS kafka_partition,
    l.epoch AS kafka_epoch,
    d.kafka_offset,
    d.received_at,
    d.recorded_at,
    segments.event_id(o.topic, o.partition, o.epoch, d.of_offset) AS duplicate_of_event_id
FROM segments.duplicate AS d
INNER JOIN segments.lane AS l ON d.lane_id = l.lane_id
INNER JOIN segments.lane AS o ON d.of_lane_id = o.lane_id
INNER JOIN segments.event AS e ON d.of_lane_id = e.lane_id AND d.of_offset = e.kafka_offset
INNER JOIN segments.segment AS s ON e.segment_key = s.segment_key
WHERE s.network_id IN (SELECT v.network_id FROM segments.visible_network AS v);

-- A view by network is the view of schema reporting behind a security barrier: no function that an analyst puts into a
-- query sees a row before the network was checked, but for those that Postgres knows to tell nothing (= and <, say),
-- and these still find their way to an index. The array is made once a query.
-- Lanes hold every network's records, and say nothing of any but how many. The watermark is as it is: what is final
-- for all is final for each.
DO $$
DECLARE
    name text;
    visible text;
BEGIN
    FOR name IN
        SELECT v.table_name FROM information_schema.views AS v
        WHERE v.table_schema = 'reporting' AND v.table_name <> 'duplicate' ORDER BY 1
    LOOP
        visible := CASE
            WHEN name IN ('lane', 'hole', 'freshness')
                THEN 'WHERE kafka_topic NOT IN (SELECT t.topic FROM segments.foreign_topic AS t)'
            WHEN name = 'watermark' THEN ''
            ELSE 'WHERE network_id = ANY (ARRAY(SELECT v.network_id FROM segments.visible_network AS v))'
        END;
        EXECUTE format('CREATE VIEW reporting_network.%1$I WITH (security_barrier) AS SELECT * FROM reporting.%1$I %2$s',
            name, visible);
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
GRANT USAGE ON SCHEMA reporting_network TO segments_report_network;
GRANT SELECT ON ALL TABLES IN SCHEMA reporting_network TO segments_report_network;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reporting_network TO segments_report_network;
-- Functions inside a view or an inlined function are called as whoever asks; without the schema they can't be named.
GRANT EXECUTE ON FUNCTION segments.event_id(text, integer, integer, bigint), reporting.normalise_user(text)
TO segments_report_network;
GRANT EXECUTE ON FUNCTION segments.fold_step(
    segments.key_state, segments.key_state, smallint, timestamptz, timestamptz, timestamptz,
    integer, bigint, timestamptz, integer, bigint
), segments.fold(
    segments.key_state, smallint, timestamptz, timestamptz, timestamptz, integer, bigint, timestamptz, integer, bigint
) TO segments_report_network;

-- Granting and revoking is registered here by whoever may also grant the role: the login of setup.
GRANT SELECT ON segments.analyst, segments.analyst_event TO segments_operate;
