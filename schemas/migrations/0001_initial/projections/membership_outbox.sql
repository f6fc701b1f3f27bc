-- The position up to which <prefix>.memberships was published, per lane of the log.
CREATE TABLE projections.membership_outbox (
    lane_id integer CONSTRAINT membership_outbox_pkey PRIMARY KEY,
    next_offset bigint NOT NULL
);
GRANT SELECT ON projections.membership_outbox TO segments_ingest, segments_operate, segments_api;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON projections.membership_outbox TO segments_project;
