-- The number of signatures that were not accepted, by cause: counted in the append, for `segments status`.
CREATE TABLE segments.unbelieved (
    lane_id integer NOT NULL,
    source text NOT NULL,
    cause text NOT NULL,
    records bigint NOT NULL,
    first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT unbelieved_once PRIMARY KEY (lane_id, source, cause)
);
GRANT SELECT, INSERT, UPDATE ON segments.unbelieved TO segments_ingest;
GRANT SELECT ON segments.unbelieved TO segments_project, segments_operate;
