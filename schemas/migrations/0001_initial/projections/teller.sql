-- How far <prefix>.memberships was told, per lane of the log.
CREATE TABLE projections.teller (
    lane_id integer CONSTRAINT teller_pkey PRIMARY KEY,
    next_offset bigint NOT NULL
);
GRANT SELECT ON projections.teller TO segments_ingest, segments_operate, segments_api;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON projections.teller TO segments_project;
