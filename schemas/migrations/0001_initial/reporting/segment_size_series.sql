CREATE TYPE reporting.segment_size_of_unit AS (
    starts_at timestamptz, members bigint, members_joined bigint, members_left bigint
);
COMMENT ON TYPE reporting.segment_size_of_unit IS 'A row of segment_size_series().';

CREATE FUNCTION reporting.segment_size_series(
    network_id text, segment_id bigint, "from" timestamptz, "to" timestamptz,
    unit text DEFAULT 'day', time_zone text DEFAULT 'UTC'
) RETURNS SETOF reporting.segment_size_of_unit
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    key integer := (
        SELECT s.segment_key FROM segments.segment AS s
        WHERE s.network_id = segment_size_series.network_id AND s.segment_id = segment_size_series.segment_id);
    -- Hours are those of UTC: local time skips or repeats an hour when the clocks change.
    zone text := CASE unit WHEN 'hour' THEN 'UTC' ELSE time_zone END;
    step interval := CASE WHEN unit = 'quarter' THEN '3 months'
        WHEN unit IN ('hour', 'day', 'week', 'month', 'year') THEN ('1 ' || unit)::interval END;
    most CONSTANT integer := 100000;
    -- In local time.
    first_unit timestamp;
    last_unit timestamp;
BEGIN
    IF step IS NULL THEN
        RAISE EXCEPTION 'unit must be hour, day, week, month, quarter or year, not %', coalesce(unit, 'null')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT coalesce(isfinite("from") AND isfinite("to"), false) THEN
        RAISE EXCEPTION 'from and to must be times' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    first_unit := date_trunc(unit, "from" AT TIME ZONE zone);
    last_unit := "to" AT TIME ZONE zone - interval '1 microsecond';
    IF first_unit + most * step < last_unit THEN
        RAISE EXCEPTION 'more than % rows', most USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF key IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH flip AS MATERIALIZED (
        SELECT greatest(date_trunc(unit, i.valid_from AT TIME ZONE zone), first_unit - step) AS starts_at,
            count(*) FILTER (WHERE i.is_member) AS joined, count(*) FILTER (WHERE NOT i.is_member) AS departed
        FROM projections.serving_interval AS i
        WHERE i.segment_key = key AND i.effect & 1 <> 0
        GROUP BY 1
    )
    SELECT u.starts_at AT TIME ZONE zone,
        (coalesce((SELECT f.joined - f.departed FROM flip AS f WHERE f.starts_at < first_unit), 0)
        + sum(coalesce(g.joined - g.departed, 0)) OVER (ORDER BY u.starts_at))::bigint,
        coalesce(g.joined, 0), coalesce(g.departed, 0)
    FROM generate_series(first_unit, last_unit, step) AS u (starts_at)
    LEFT JOIN flip AS g ON u.starts_at = g.starts_at
    ORDER BY u.starts_at;
END $$;
COMMENT ON FUNCTION reporting.segment_size_series(text, bigint, timestamptz, timestamptz, text, text) IS
'A row for each hour, day, week, month, quarter or year of a time zone that overlaps [from, to), without gaps: changes to member and to non-member in it, and members at its end. Hours are those of UTC.';
GRANT EXECUTE ON FUNCTION reporting.segment_size_series TO segments_operate, segments_api, segments_report;

CREATE FUNCTION reporting_network.segment_size_series(
    network_id text, segment_id bigint, "from" timestamptz, "to" timestamptz,
    unit text DEFAULT 'day', time_zone text DEFAULT 'UTC'
) RETURNS SETOF reporting.segment_size_of_unit
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.* FROM segments.visible_networks(segment_size_series.network_id) AS v (network_id)
    CROSS JOIN LATERAL reporting.segment_size_series(
        v.network_id, segment_size_series.segment_id, "from", "to", unit, time_zone
    ) AS r
$$;
COMMENT ON FUNCTION reporting_network.segment_size_series(text, bigint, timestamptz, timestamptz, text, text) IS
'A row for each hour, day, week, month, quarter or year of a time zone that overlaps [from, to), without gaps: changes to member and to non-member in it, and members at its end. Hours are those of UTC.';
GRANT EXECUTE ON FUNCTION reporting_network.segment_size_series TO segments_report_network;
