-- The clock of a lane whose row is locked: now, and later than all that the lane said before.
CREATE FUNCTION segments.lane_now(l segments.lane) RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT greatest(clock_timestamp(), l.recorded_at + interval '1 microsecond', l.quiet_at + interval '1 microsecond')
$$;
GRANT EXECUTE ON FUNCTION segments.lane_now TO segments_ingest, segments_operate;

-- Unix milliseconds as a time, without passing through a float that would round them.
CREATE FUNCTION segments.time_of(unix_ms bigint) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT to_timestamp(unix_ms / 1000) + (unix_ms % 1000) * interval '1 millisecond'
$$;
GRANT EXECUTE ON FUNCTION segments.time_of TO segments_ingest, segments_operate;
