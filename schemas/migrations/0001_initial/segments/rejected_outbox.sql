-- The position up to which each lane's rejected records are published to <prefix>.rejected.
CREATE TABLE segments.rejected_outbox (
    lane_id integer CONSTRAINT rejected_outbox_pkey PRIMARY KEY,
    next_offset bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON segments.rejected_outbox TO segments_ingest;
GRANT SELECT ON segments.rejected_outbox TO segments_project, segments_operate;
