-- The state of each key. What the views read of all keys is copied out of it into columns: to take one column out of a
-- composite value costs as much as to read the row.
CREATE TABLE projections.membership (
    slot smallint NOT NULL,
    is_member boolean GENERATED ALWAYS AS ((state).is_member) STORED,
    override smallint GENERATED ALWAYS AS ((state).override) STORED,
    from_status smallint GENERATED ALWAYS AS ((state).from_status) STORED,
    segment_key integer NOT NULL,
    person_id bigint NOT NULL,
    valid_from timestamptz GENERATED ALWAYS AS ((state).valid_from) STORED,
    last_recorded_at timestamptz GENERATED ALWAYS AS ((state).last_recorded_at) STORED,
    -- Events after the key's last kept state; all of its events where none is kept.
    tail integer NOT NULL DEFAULT 0,
    from_effect smallint GENERATED ALWAYS AS ((state).from_effect) STORED,
    from_lane_id integer GENERATED ALWAYS AS ((state).from_lane_id) STORED,
    from_offset bigint GENERATED ALWAYS AS ((state).from_offset) STORED,
    -- When the override is to lapse. Indexed: most keys never lapse, so that a fold seldom writes into its index.
    expires_at timestamptz GENERATED ALWAYS AS ((state).expires_at) STORED,
    state segments.key_state,
    CONSTRAINT membership_pkey PRIMARY KEY (slot, segment_key, person_id)
) PARTITION BY LIST (slot);
CREATE TABLE projections.membership_0 PARTITION OF projections.membership FOR VALUES IN (0) WITH (fillfactor = 75);
CREATE TABLE projections.membership_1 PARTITION OF projections.membership FOR VALUES IN (1) WITH (fillfactor = 75);
CREATE INDEX membership_of_person ON projections.membership (person_id);
CREATE INDEX membership_lapses ON projections.membership (expires_at, segment_key, person_id) WHERE expires_at IS NOT NULL;
GRANT SELECT ON projections.membership, projections.membership_0, projections.membership_1
TO segments_ingest, segments_operate, segments_api;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON projections.membership, projections.membership_0, projections.membership_1
TO segments_project;
