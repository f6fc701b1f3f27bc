-- The number of signatures that were not accepted, by cause: counted in the append, for `segments status`.
CREATE TABLE segments.invalid_signature (
    lane_id integer NOT NULL,
    source text NOT NULL,
    cause text NOT NULL,
    records bigint NOT NULL,
    first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT invalid_signature_once PRIMARY KEY (lane_id, source, cause)
);
GRANT SELECT, INSERT, UPDATE ON segments.invalid_signature TO segments_ingest;
GRANT SELECT ON segments.invalid_signature TO segments_project, segments_operate;
