-- How far each lane's rejected records were published to <prefix>.rejected.
CREATE TABLE segments.relay (
    lane_id integer CONSTRAINT relay_pkey PRIMARY KEY,
    next_offset bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON segments.relay TO segments_ingest;
GRANT SELECT ON segments.relay TO segments_project, segments_operate;
