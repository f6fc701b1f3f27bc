CREATE TYPE reporting.membership_state AS (
    network_id text, segment_id bigint, user_id text, is_member boolean, override text
);
COMMENT ON TYPE reporting.membership_state IS 'A row of membership_as_of().';

-- Every interval with the names of its key: those before a key's first change, too.
CREATE VIEW projections.named_interval AS
SELECT
    s.network_id, s.segment_id::bigint AS segment_id, p.user_id, i.is_member, segments.status_word(i.override) AS override,
    i.valid_from, i.valid_to, i.segment_key, i.person_id
FROM projections.serving_interval AS i
-- LEFT, because the planner has no estimate of the keys of a segment in a union, and would expect few.
LEFT JOIN segments.segment AS s ON i.segment_key = s.segment_key
LEFT JOIN segments.person AS p ON i.person_id = p.person_id;

-- The keys of the segments and people with these names; null: of any.
CREATE FUNCTION projections.segments_named(network_id text, segment_id bigint) RETURNS integer []
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT coalesce(array_agg(s.segment_key), '{}') FROM segments.segment AS s
        WHERE ($1 IS NULL OR s.network_id = $1) AND ($2 IS NULL OR s.segment_id = $2));
END $$;
CREATE FUNCTION projections.people_named(network_id text, user_id text) RETURNS bigint []
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT coalesce(array_agg(p.person_id), '{}') FROM segments.person AS p
        WHERE p.user_id IN ($2, reporting.normalise_user($2)) AND ($1 IS NULL OR p.network_id = $1));
END $$;

CREATE FUNCTION projections.membership_as_recorded(
    at timestamptz, known_at timestamptz, network_id text, segment_id bigint, user_id text
) RETURNS SETOF reporting.membership_state
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- EXECUTE plans for these arguments: one person by index, all persons by a scan.
    RETURN QUERY EXECUTE format(
        $query$
        SELECT s.network_id, s.segment_id::bigint, p.user_id, (k.state).is_member, segments.status_word((k.state).override)
        FROM (
            SELECT e.segment_key, e.person_id, segments.fold(
                NULL, e.user_status, e.status_change_timestamp, e.received_at, e.recorded_at,
                e.lane_id, e.kafka_offset, e.expires_at, e.expired_lane_id, e.expired_offset
                ORDER BY e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch
            ) AS state
            FROM segments.event AS e JOIN segments.lane AS l ON e.lane_id = l.lane_id
            WHERE e.status_change_timestamp <= $1 AND e.recorded_at <= $2 AND e.segment_key = ANY ($3) %s
            GROUP BY e.segment_key, e.person_id
        ) AS k
        LEFT JOIN segments.segment AS s ON k.segment_key = s.segment_key
        LEFT JOIN segments.person AS p ON k.person_id = p.person_id
        $query$,
        CASE WHEN user_id IS NULL THEN '' ELSE 'AND e.person_id = ANY ($4)' END
    ) USING at, known_at, projections.segments_named(network_id, segment_id), projections.people_named(network_id, user_id);
END $$;

-- Postgres merges it into the question that calls it. So it runs as its caller, who may read the view, but not name it.
CREATE FUNCTION reporting.membership_as_of(
    at timestamptz DEFAULT 'infinity', known_at timestamptz DEFAULT 'infinity',
    network_id text DEFAULT NULL, segment_id bigint DEFAULT NULL, user_id text DEFAULT NULL
) RETURNS SETOF reporting.membership_state LANGUAGE sql STABLE
BEGIN ATOMIC -- at, known_at, network_id, segment_id, user_id
    SELECT i.network_id, i.segment_id, i.user_id, i.is_member, i.override
    FROM projections.named_interval AS i
    WHERE
        $2 >= 'infinity' AND i.valid_from <= $1 AND (i.valid_to > $1 OR i.valid_to IS NULL)
        AND (
            ($3 IS NULL AND $4 IS NULL)
            OR i.segment_key = ANY((SELECT projections.segments_named($3, $4))::integer [])
        )
        AND ($5 IS NULL OR i.person_id = ANY((SELECT projections.people_named($3, $5))::bigint []))
    UNION ALL
    SELECT r.network_id, r.segment_id, r.user_id, r.is_member, r.override
    FROM projections.membership_as_recorded($1, $2, $3, $4, $5) AS r
    WHERE $2 < 'infinity';
END;
COMMENT ON FUNCTION reporting.membership_as_of(timestamptz, timestamptz, text, bigint, text) IS
'The state of each key after all its events with status_change_timestamp <= at and recorded_at <= known_at. Without known_at it reads the projections. With known_at it reads the log, and the result is final if known_at < watermark.recorded_until.';
GRANT SELECT ON projections.named_interval TO segments_operate, segments_api, segments_report;
GRANT EXECUTE ON FUNCTION reporting.membership_as_of, projections.membership_as_recorded, projections.segments_named,
projections.people_named
TO segments_operate, segments_api, segments_report;

-- It reads the log, so it runs as its owner.
CREATE FUNCTION reporting_network.membership_as_of(
    at timestamptz DEFAULT 'infinity', known_at timestamptz DEFAULT 'infinity',
    network_id text DEFAULT NULL, segment_id bigint DEFAULT NULL, user_id text DEFAULT NULL
) RETURNS SETOF reporting.membership_state
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    visible text;
BEGIN
    FOR visible IN SELECT v.name FROM segments.visible_networks(membership_as_of.network_id) AS v (name) LOOP
        RETURN QUERY SELECT * FROM reporting.membership_as_of(
            membership_as_of.at, membership_as_of.known_at, visible,
            membership_as_of.segment_id, membership_as_of.user_id);
    END LOOP;
END $$;
COMMENT ON FUNCTION reporting_network.membership_as_of(timestamptz, timestamptz, text, bigint, text) IS
'The state of each key of your networks after all its events with status_change_timestamp <= at and recorded_at <= known_at. Without known_at it reads the projections. With known_at it reads the log, and the result is final if known_at < watermark.recorded_until.';
GRANT EXECUTE ON FUNCTION reporting_network.membership_as_of TO segments_report_network;
