-- The states of long keys after some of their events, so that a late event, or a question about one, folds what lies
-- between two of them and not the whole key. A state is that after all events of the key up to its own, in the fold's
-- order, without last_recorded_at and newest_received_at: what comes late would change these in each. Which events have
-- one is free.
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
    -- Of the adds and blocks up to this event and after the kept state before it, the one that came first; null: none.
    -- It tells which events of before are superseded.
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

-- A state with another last_recorded_at and newest_received_at, or with none.
CREATE FUNCTION projections.as_recorded(
    state segments.key_state, recorded_at timestamptz DEFAULT NULL, received_at timestamptz DEFAULT NULL
) RETURNS segments.key_state LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    state.last_recorded_at := recorded_at;
    state.newest_received_at := received_at;
    RETURN state;
END $$;
GRANT EXECUTE ON FUNCTION projections.as_recorded TO segments_project, segments_operate;
