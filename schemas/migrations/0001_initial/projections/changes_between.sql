-- A lane's first offset whose event was recorded at a time or later. By bisection, because no index has the time.
CREATE FUNCTION projections.position_at(wanted segments.lane, recorded timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    low bigint := wanted.first_offset;
    high bigint := wanted.next_offset;
    middle bigint;
    found record;
BEGIN
    WHILE low < high LOOP
        middle := (low + high) / 2;
        SELECT e.kafka_offset, e.recorded_at INTO found FROM segments.event AS e
        WHERE e.lane_id = wanted.lane_id AND e.kafka_offset >= middle ORDER BY e.kafka_offset LIMIT 1;
        IF found.recorded_at < recorded THEN
            low := found.kafka_offset + 1;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END $$;

-- The range of each lane between two states of the views, for projections.moved_days (end null: the present). since: a token;
-- without it the state is that of all events recorded before since_recorded. Raises errors as read_snapshot() does.
CREATE FUNCTION projections.changes_between(
    since text, since_recorded timestamptz, until text, asked text [] DEFAULT NULL,
    OUT networks text [], OUT lanes integer [], OUT begins bigint [], OUT ends bigint [], OUT unmoved_before timestamptz
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first record;
    last record;
BEGIN
    SELECT NULL::text[] AS networks, NULL::integer[] AS lanes, NULL::bigint[] AS positions, since_recorded AS unmoved_before
    INTO first;
    last := first;
    IF since_recorded IS NULL THEN
        SELECT r.networks, r.lanes, r.positions, r.unmoved_before INTO first FROM projections.read_snapshot(since, asked) AS r;
    END IF;
    IF until IS NOT NULL THEN
        SELECT r.networks, r.lanes, r.positions, r.unmoved_before INTO last FROM projections.read_snapshot(until, asked) AS r;
    END IF;
    unmoved_before := first.unmoved_before;
    networks := CASE WHEN first.networks IS NULL OR last.networks IS NULL THEN coalesce(first.networks, last.networks)
        ELSE ARRAY(SELECT n FROM unnest(first.networks) AS n WHERE n = ANY (last.networks)) END;
    SELECT coalesce(array_agg(w.lane_id), '{}'), coalesce(array_agg(w.begins), '{}'), coalesce(array_agg(w.ends), '{}')
    INTO lanes, begins, ends
    FROM (
        SELECT l.lane_id,
            CASE WHEN since_recorded IS NULL THEN coalesce(f.next_offset, l.first_offset)
                ELSE projections.position_at(l, since_recorded) END AS begins,
            CASE WHEN until IS NOT NULL THEN coalesce(u.next_offset, l.first_offset) END AS ends
        FROM segments.lanes_of(networks) AS l
        LEFT JOIN unnest(first.lanes, first.positions) AS f (lane_id, next_offset) ON l.lane_id = f.lane_id
        LEFT JOIN unnest(last.lanes, last.positions) AS u (lane_id, next_offset) ON l.lane_id = u.lane_id
    ) AS w;
    IF EXISTS (SELECT FROM unnest(begins, ends) AS w (begins, ends) WHERE w.ends < w.begins) AND since_recorded IS NULL THEN
        RAISE EXCEPTION 'the second snapshot was taken before the first' USING ERRCODE = 'invalid_parameter_value';
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION projections.changes_between TO segments_operate, segments_api;
