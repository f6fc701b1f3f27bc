CREATE TABLE projections.membership (
    slot smallint NOT NULL,
    segment_key integer NOT NULL,
    person_id bigint NOT NULL,
    state segments.key_state,
    -- When the override is to lapse. A column and not an expression over the state: an index on the state would make
    -- every fold of a key write anew into all of its indexes, while most keys never lapse and this stays null.
    expires_at timestamptz GENERATED ALWAYS AS ((state).expires_at) STORED,
    -- Events after the key's last kept state; all of its events where none is kept.
    tail integer NOT NULL DEFAULT 0,
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
