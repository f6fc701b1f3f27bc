-- The current state is returned for a key without an event recorded after the snapshot or later than the requested time; any
-- other key is folded from the log below the snapshot's positions.
CREATE FUNCTION reporting.membership_as_shown(
    snapshot text, at timestamptz DEFAULT 'infinity',
    network_id text DEFAULT NULL, segment_id bigint DEFAULT NULL, user_id text DEFAULT NULL
) RETURNS SETOF reporting.membership_state
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    cut record;
    wanted_segments integer[];
BEGIN
    SELECT * INTO cut FROM projections.read_snapshot(
        snapshot, CASE WHEN membership_as_shown.network_id IS NOT NULL THEN ARRAY[membership_as_shown.network_id] END
    );
    SELECT array_agg(s.segment_key) INTO wanted_segments FROM segments.segment AS s
    WHERE (membership_as_shown.network_id IS NULL OR s.network_id = membership_as_shown.network_id)
      AND (cut.networks IS NULL OR s.network_id = ANY (cut.networks))
      AND (membership_as_shown.segment_id IS NULL OR s.segment_id = membership_as_shown.segment_id);
    -- EXECUTE plans for these arguments, as in membership_as_of(). The fence makes Postgres fold a key once.
    RETURN QUERY EXECUTE format(
        $query$
        SELECT s.network_id, s.segment_id::bigint, p.user_id, (k.state).is_member, segments.status_word((k.state).override)
        FROM (
            SELECT m.segment_key, m.person_id,
                CASE WHEN (m.state).last_recorded_at < $6 AND (m.state).last_timestamp <= $1 THEN m.state
                    ELSE (SELECT f.state FROM segments.state_at_positions(m.segment_key, m.person_id, $1, $4, $5) AS f)
                END AS state
            FROM projections.serving_membership AS m
            WHERE m.segment_key = ANY ($2) %s
            OFFSET 0
        ) AS k
        JOIN segments.segment AS s ON k.segment_key = s.segment_key
        JOIN segments.person AS p ON k.person_id = p.person_id
        WHERE (k.state).is_member IS NOT NULL
        $query$,
        CASE WHEN membership_as_shown.user_id IS NULL THEN '' ELSE 'AND m.person_id = ANY ($3)' END
    ) USING at, wanted_segments, projections.people_named(membership_as_shown.network_id, membership_as_shown.user_id),
        cut.lanes, cut.positions, cut.unmoved_before;
END $$;
COMMENT ON FUNCTION reporting.membership_as_shown(text, timestamptz, text, bigint, text) IS
'The state of each key exactly as the views showed it with that snapshot, whatever arrived later; with at, as membership_as_of(at) showed it then. A user who was erased since is erased:<n>.';
GRANT EXECUTE ON FUNCTION reporting.membership_as_shown TO segments_operate, segments_api, segments_report;

-- As membership_as_of() of this schema; of the caller's networks, only those of the snapshot.
CREATE FUNCTION reporting_network.membership_as_shown(
    snapshot text, at timestamptz DEFAULT 'infinity',
    network_id text DEFAULT NULL, segment_id bigint DEFAULT NULL, user_id text DEFAULT NULL
) RETURNS SETOF reporting.membership_state
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_of text[] := (SELECT r.networks FROM projections.read_snapshot(snapshot) AS r);
    visible text;
BEGIN
    FOR visible IN
        SELECT v.name FROM segments.visible_networks(membership_as_shown.network_id) AS v (name)
        WHERE membership_as_shown.network_id IS NOT NULL OR is_of IS NULL OR v.name = ANY (is_of)
    LOOP
        RETURN QUERY SELECT * FROM reporting.membership_as_shown(
            membership_as_shown.snapshot, membership_as_shown.at, visible,
            membership_as_shown.segment_id, membership_as_shown.user_id);
    END LOOP;
END $$;
COMMENT ON FUNCTION reporting_network.membership_as_shown(text, timestamptz, text, bigint, text) IS
'The state of each key of your networks exactly as the views showed it with that snapshot, whatever arrived later; with at, as membership_as_of(at) showed it then. A user who was erased since is erased:<n>.';
GRANT EXECUTE ON FUNCTION reporting_network.membership_as_shown TO segments_report_network;
