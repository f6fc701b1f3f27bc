-- The clock of a lane whose row is locked: now, but later than all earlier times of the lane.
CREATE FUNCTION segments.lane_now(l segments.lane) RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT greatest(clock_timestamp(), l.recorded_at + interval '1 microsecond', l.quiet_at + interval '1 microsecond')
$$;
GRANT EXECUTE ON FUNCTION segments.lane_now TO segments_ingest, segments_operate;

-- Convert Unix milliseconds without a float, which would round them.
CREATE FUNCTION segments.time_of(unix_ms bigint) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT to_timestamp(unix_ms / 1000) + (unix_ms % 1000) * interval '1 millisecond'
$$;
GRANT EXECUTE ON FUNCTION segments.time_of TO segments_ingest, segments_operate;
