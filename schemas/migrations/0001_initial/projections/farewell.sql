-- How far <prefix>.memberships was told of erasures.
CREATE TABLE projections.farewell (
    only_row boolean NOT NULL DEFAULT true CONSTRAINT farewell_pkey PRIMARY KEY CONSTRAINT farewell_only_row CHECK (only_row),
    erasure_id bigint NOT NULL
);
INSERT INTO projections.farewell (erasure_id) VALUES (0);
GRANT SELECT, UPDATE ON projections.farewell TO segments_project;
GRANT SELECT ON projections.farewell TO segments_operate;
