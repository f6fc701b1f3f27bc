CREATE TYPE reporting.day_change AS (
    network_id text, segment_id bigint, user_id text, event_id uuid, recorded_at timestamptz, day date,
    members_before bigint, members_after bigint, joined_before bigint, joined_after bigint, left_before bigint, left_after bigint
);
COMMENT ON TYPE reporting.day_change IS 'A row of changes_between(), with the columns of retroactive_change.';

-- Includes days that were not over yet: it returns every difference between two readings of segment_size_daily.
CREATE FUNCTION reporting.changes_between(
    since text, until text DEFAULT NULL, network_id text DEFAULT NULL, segment_id bigint DEFAULT NULL
) RETURNS SETOF reporting.day_change
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    cut record;
BEGIN
    SELECT * INTO cut FROM projections.changes_between(
        changes_between.since, NULL, changes_between.until,
        CASE WHEN changes_between.network_id IS NOT NULL THEN ARRAY[changes_between.network_id] END
    );
    RETURN QUERY
    SELECT s.network_id, s.segment_id::bigint, p.user_id,
        segments.event_id(l.topic, l.partition, l.epoch, (c.change).kafka_offset), (c.change).recorded_at, (c.change).day,
        c.members_before, c.members_after, c.joined_before, c.joined_after, c.left_before, c.left_after
    FROM segments.segment AS s
    CROSS JOIN LATERAL projections.moved_days(s.segment_key, cut.lanes, cut.begins, cut.ends, cut.unmoved_before) AS c
    JOIN segments.lane AS l ON (c.change).lane_id = l.lane_id
    JOIN segments.person AS p ON (c.change).person_id = p.person_id
    WHERE (changes_between.network_id IS NULL OR s.network_id = changes_between.network_id)
      AND (cut.networks IS NULL OR s.network_id = ANY (cut.networks))
      AND (changes_between.segment_id IS NULL OR s.segment_id = changes_between.segment_id);
END $$;
COMMENT ON FUNCTION reporting.changes_between(text, text, text, bigint) IS
'A row for each event between two snapshots (until: null for now) and each day that it altered, over or not. The values of segment_size_daily at the two snapshots differ by the rows of a day; members differs by the sum over all days up to it.';
GRANT EXECUTE ON FUNCTION reporting.changes_between TO segments_operate, segments_api, segments_report;

CREATE FUNCTION reporting_network.changes_between(
    since text, until text DEFAULT NULL, network_id text DEFAULT NULL, segment_id bigint DEFAULT NULL
) RETURNS SETOF reporting.day_change
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_of text[] := (SELECT r.networks FROM projections.changes_between(since, NULL, until) AS r);
    visible text;
BEGIN
    FOR visible IN
        SELECT v.name FROM segments.visible_networks(changes_between.network_id) AS v (name)
        WHERE changes_between.network_id IS NOT NULL OR is_of IS NULL OR v.name = ANY (is_of)
    LOOP
        RETURN QUERY SELECT * FROM reporting.changes_between(
            changes_between.since, changes_between.until, visible, changes_between.segment_id);
    END LOOP;
END $$;
COMMENT ON FUNCTION reporting_network.changes_between(text, text, text, bigint) IS
'A row for each event of your networks between two snapshots (until: null for now) and each day that it altered, over or not. The values of segment_size_daily at the two snapshots differ by the rows of a day; members differs by the sum over all days up to it.';
GRANT EXECUTE ON FUNCTION reporting_network.changes_between TO segments_report_network;
