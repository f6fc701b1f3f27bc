-- An increment of user_segment. It reads the events that each lane recorded in that time, and then their keys, because
-- recorded_at never falls in a lane: an index on last_recorded_at would end the updates in place (HOT) of the keys' rows.
CREATE FUNCTION reporting.changed_keys(
    recorded_from timestamptz, recorded_until timestamptz DEFAULT 'infinity', network_id text DEFAULT NULL
) RETURNS SETOF reporting.user_segment
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    lanes integer[];
    begins bigint[];
    ends bigint[];
    recorded bigint;
BEGIN
    SELECT array_agg(w.lane_id), array_agg(w.begins), array_agg(w.ends), sum(w.ends - w.begins)
    INTO lanes, begins, ends, recorded
    FROM (
        SELECT l.lane_id, projections.position_at(l, changed_keys.recorded_from) AS begins,
            least(c.next_offset, projections.position_at(l, changed_keys.recorded_until)) AS ends
        FROM segments.lanes_of(CASE WHEN changed_keys.network_id IS NOT NULL THEN ARRAY[changed_keys.network_id] END) AS l
        INNER JOIN projections.serving_checkpoint AS c ON l.lane_id = c.lane_id
    ) AS w;
    -- Twenty rows are read in the time of one look-up.
    IF recorded > (
        SELECT c.reltuples / 20 FROM projections.serving AS s
        INNER JOIN pg_class AS c ON c.oid = format('projections.membership_%s', s.slot)::regclass
    ) THEN
        RETURN QUERY
        SELECT u.* FROM reporting.user_segment AS u
        WHERE (changed_keys.network_id IS NULL OR u.network_id = changed_keys.network_id)
          AND u.last_recorded_at >= changed_keys.recorded_from AND u.last_recorded_at < changed_keys.recorded_until;
        RETURN;
    END IF;
    -- OFFSET 0 forces index look-ups, whatever number of rows the planner expects.
    RETURN QUERY
    SELECT s.network_id, s.segment_id::bigint, s.segment_name, p.user_id, m.is_member, segments.status_word(m.override),
        segments.status_word(m.automation_says), m.member_since, m.override_since, m.last_change_at, m.last_recorded_at
    FROM (
        SELECT DISTINCT e.segment_key, e.person_id
        FROM unnest(lanes, begins, ends) AS w (lane_id, begins, ends)
        CROSS JOIN LATERAL (
            SELECT x.segment_key, x.person_id FROM segments.event AS x
            WHERE x.lane_id = w.lane_id AND x.kafka_offset >= w.begins AND x.kafka_offset < w.ends
            OFFSET 0
        ) AS e
    ) AS k
    INNER JOIN segments.segment AS s ON k.segment_key = s.segment_key
    CROSS JOIN LATERAL (
        SELECT n.is_member, n.override, (n.state).automation_says AS automation_says, n.member_since,
            (n.state).override_since AS override_since, (n.state).last_change_at AS last_change_at, n.last_recorded_at
        FROM projections.serving_membership AS n
        WHERE n.segment_key = k.segment_key AND n.person_id = k.person_id
        OFFSET 0
    ) AS m
    CROSS JOIN LATERAL (
        SELECT q.user_id FROM segments.person AS q WHERE q.person_id = k.person_id
        OFFSET 0
    ) AS p
    WHERE (changed_keys.network_id IS NULL OR s.network_id = changed_keys.network_id)
      AND m.last_recorded_at >= changed_keys.recorded_from AND m.last_recorded_at < changed_keys.recorded_until
      AND m.is_member IS NOT NULL;
END $$;
COMMENT ON FUNCTION reporting.changed_keys(timestamptz, timestamptz, text) IS
'The rows of user_segment with last_recorded_at in [recorded_from, recorded_until), at the cost of the events that were recorded in that time. Final if recorded_until is at most watermark.recorded_until.';
GRANT EXECUTE ON FUNCTION reporting.changed_keys TO segments_operate, segments_api, segments_report;

CREATE FUNCTION reporting_network.changed_keys(
    recorded_from timestamptz, recorded_until timestamptz DEFAULT 'infinity', network_id text DEFAULT NULL
) RETURNS SETOF reporting.user_segment
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.* FROM segments.visible_networks(changed_keys.network_id) AS v (network_id)
    CROSS JOIN LATERAL reporting.changed_keys(changed_keys.recorded_from, changed_keys.recorded_until, v.network_id) AS r
$$;
COMMENT ON FUNCTION reporting_network.changed_keys(timestamptz, timestamptz, text) IS
'The rows of user_segment of your networks with last_recorded_at in [recorded_from, recorded_until), at the cost of the events that were recorded in that time. Final if recorded_until is at most watermark.recorded_until.';
GRANT EXECUTE ON FUNCTION reporting_network.changed_keys TO segments_report_network;
