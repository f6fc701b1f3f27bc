-- Traces between the append and the projections, if an endpoint is set. They belong neither to the log nor to a projection:
-- unlogged, deleted by the fold, or after an hour.
CREATE UNLOGGED TABLE projections.trace (
    lane_id integer NOT NULL,
    kafka_offset bigint NOT NULL,
    traceparent text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT trace_pkey PRIMARY KEY (lane_id, kafka_offset)
);
GRANT INSERT ON projections.trace TO segments_ingest;
GRANT SELECT, DELETE ON projections.trace TO segments_project;
