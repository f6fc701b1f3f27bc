-- The new offset of a lane, the counts of its records, and the last record, if any.
CREATE TYPE segments.lane_move AS (
    lane_id integer,
    start bigint,
    next_offset bigint,
    events bigint,
    duplicates bigint,
    rejected bigint,
    holes bigint,
    last_offset bigint,
    last_timestamp bigint,
    last_digest bytea,
    received_ms bigint
);

-- Move locked lanes by compare-and-set; an error if one is not at the expected offset.
CREATE FUNCTION segments.move_lanes(moves segments.lane_move [], recorded timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moved bigint;
BEGIN
    UPDATE segments.lane AS l SET
        next_offset = m.next_offset,
        events = l.events + m.events,
        duplicates = l.duplicates + m.duplicates,
        rejected = l.rejected + m.rejected,
        holes = l.holes + m.holes,
        last_offset = coalesce(m.last_offset, l.last_offset),
        last_timestamp = coalesce(m.last_timestamp, l.last_timestamp),
        last_digest = coalesce(m.last_digest, l.last_digest),
        received_at = greatest(l.received_at, segments.time_of(m.received_ms)),
        recorded_at = recorded,
        quiet_offset = m.next_offset,
        quiet_at = recorded
    FROM unnest(moves) AS m
    WHERE l.lane_id = m.lane_id AND l.next_offset = m.start AND NOT l.closed;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(moves) THEN
        RAISE EXCEPTION '% of % lanes moved', moved, cardinality(moves);
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION segments.move_lanes TO segments_ingest, segments_operate;
