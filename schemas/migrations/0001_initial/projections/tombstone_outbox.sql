-- The last erasure whose tombstones were published on <prefix>.memberships.
CREATE TABLE projections.tombstone_outbox (
    only_row boolean NOT NULL DEFAULT true CONSTRAINT tombstone_outbox_pkey PRIMARY KEY
    CONSTRAINT tombstone_outbox_only_row CHECK (only_row),
    erasure_id bigint NOT NULL
);
INSERT INTO projections.tombstone_outbox (erasure_id) VALUES (0);
GRANT SELECT, UPDATE ON projections.tombstone_outbox TO segments_project;
GRANT SELECT ON projections.tombstone_outbox TO segments_operate;
