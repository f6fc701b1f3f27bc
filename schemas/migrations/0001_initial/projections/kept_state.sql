-- The states of long keys after some of their events, so that a late event, or a query about an event, folds the events
-- between two kept states and not the whole key. A state is that after all events of the key up to its own, in the fold's
-- order, without last_recorded_at and newest_received_at, which a late event would change in all of them. Any events may
-- have one.
-- Written and read with the key's row in membership locked.
CREATE TABLE projections.kept_state (
    slot smallint NOT NULL,
    segment_key integer NOT NULL,
    person_id bigint NOT NULL,
    status_change_timestamp timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    lane_id integer NOT NULL,
    kafka_offset bigint NOT NULL,
    state segments.key_state NOT NULL,
    -- The earliest arrival among the adds and blocks after the previous kept state and up to this event; null: none. It
    -- decides which events before are superseded.
    arrived_at timestamptz,
    arrived_lane_id integer,
    arrived_offset bigint,
    CONSTRAINT kept_state_pkey PRIMARY KEY (slot, person_id, segment_key, status_change_timestamp, lane_id, kafka_offset)
) PARTITION BY LIST (slot);
CREATE TABLE projections.kept_state_0 PARTITION OF projections.kept_state FOR VALUES IN (0);
CREATE TABLE projections.kept_state_1 PARTITION OF projections.kept_state FOR VALUES IN (1);
GRANT SELECT ON projections.kept_state, projections.kept_state_0, projections.kept_state_1
TO segments_ingest, segments_operate, segments_api;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON projections.kept_state, projections.kept_state_0, projections.kept_state_1
TO segments_project;

-- A state with another last_recorded_at and newest_received_at, or without them.
CREATE FUNCTION projections.as_recorded(
    state segments.key_state, recorded_at timestamptz DEFAULT NULL, received_at timestamptz DEFAULT NULL
) RETURNS segments.key_state LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    state.last_recorded_at := recorded_at;
    state.newest_received_at := received_at;
    RETURN state;
END $$;
GRANT EXECUTE ON FUNCTION projections.as_recorded TO segments_project, segments_operate, segments_api;
