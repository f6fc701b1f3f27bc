CREATE TYPE reporting.membership_state AS (
    network_id text, segment_id bigint, user_id text, is_member boolean, override text
);
COMMENT ON TYPE reporting.membership_state IS 'A row of membership_as_of().';

CREATE FUNCTION reporting.membership_as_of(
    at timestamptz DEFAULT 'infinity', known_at timestamptz DEFAULT 'infinity',
    network_id text DEFAULT NULL, segment_id bigint DEFAULT NULL, user_id text DEFAULT NULL
) RETURNS SETOF reporting.membership_state
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    wanted_segments integer[];
    wanted_people bigint[];
    serving smallint := (SELECT s.slot FROM projections.serving AS s);
    states text;
BEGIN
    SELECT array_agg(s.segment_key) INTO wanted_segments FROM segments.segment AS s
    WHERE (membership_as_of.network_id IS NULL OR s.network_id = membership_as_of.network_id)
      AND (membership_as_of.segment_id IS NULL OR s.segment_id = membership_as_of.segment_id);
    IF membership_as_of.user_id IS NOT NULL THEN
        SELECT coalesce(array_agg(p.person_id), '{}') INTO wanted_people FROM segments.person AS p
        WHERE p.user_id IN (membership_as_of.user_id, reporting.normalise_user(membership_as_of.user_id))
          AND (membership_as_of.network_id IS NULL OR p.network_id = membership_as_of.network_id);
    END IF;
    IF known_at = 'infinity' THEN
        states := $states$
            SELECT i.segment_key, i.person_id, i.is_member, i.override
            FROM projections.past_interval AS i
            WHERE i.slot = $5 AND i.valid_from <= $1 AND i.valid_to > $1 AND i.segment_key = ANY ($3) %1$s
            UNION ALL
            SELECT i.segment_key, i.person_id, i.is_member, i.override
            FROM projections.membership AS i
            WHERE i.slot = $5 AND i.valid_from <= $1 AND i.segment_key = ANY ($3) %1$s
        $states$;
    ELSE
        states := $states$
            SELECT f.segment_key, f.person_id, (f.state).is_member, (f.state).override
            FROM (
                SELECT i.segment_key, i.person_id, segments.fold(
                    NULL, i.user_status, i.status_change_timestamp, i.received_at, i.recorded_at,
                    i.lane_id, i.kafka_offset, i.expires_at, i.expired_lane_id, i.expired_offset
                    ORDER BY i.status_change_timestamp, i.received_at, l.topic, l.partition, i.kafka_offset, l.epoch
                ) AS state
                FROM segments.event AS i JOIN segments.lane AS l ON i.lane_id = l.lane_id
                WHERE i.status_change_timestamp <= $1 AND i.recorded_at <= $2 AND i.segment_key = ANY ($3) %1$s
                GROUP BY i.segment_key, i.person_id
            ) AS f
        $states$;
    END IF;
    -- EXECUTE plans for these arguments: one person by index, all persons by a scan.
    RETURN QUERY EXECUTE format(
        $query$
        SELECT s.network_id, s.segment_id::bigint, p.user_id, k.is_member, segments.status_word(k.override)
        FROM (%1$s) AS k
        -- LEFT, because the planner has no estimate of the keys of a segment in a union, and would expect few.
        LEFT JOIN segments.segment AS s ON k.segment_key = s.segment_key
        LEFT JOIN segments.person AS p ON k.person_id = p.person_id
        $query$,
        format(states, CASE WHEN wanted_people IS NULL THEN '' ELSE 'AND i.person_id = ANY ($4)' END)
    ) USING at, known_at, wanted_segments, wanted_people, serving;
END $$;
COMMENT ON FUNCTION reporting.membership_as_of(timestamptz, timestamptz, text, bigint, text) IS
'The state of each key after all its events with status_change_timestamp <= at and recorded_at <= known_at. Without known_at it reads the projections. With known_at it reads the log, and the result is final if known_at < watermark.recorded_until.';
GRANT EXECUTE ON FUNCTION reporting.membership_as_of TO segments_operate, segments_api, segments_report;

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
