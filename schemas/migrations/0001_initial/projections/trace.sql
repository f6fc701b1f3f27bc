-- Traces on their way from the append to the projections, where an endpoint is set. No part of the log or of any
-- projection's rows: unlogged, taken out by the fold, and forgotten after an hour.
CREATE UNLOGGED TABLE projections.trace (
    lane_id integer NOT NULL,
    kafka_offset bigint NOT NULL,
    traceparent text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT trace_pkey PRIMARY KEY (lane_id, kafka_offset)
);
GRANT INSERT ON projections.trace TO segments_ingest;
GRANT SELECT, DELETE ON projections.trace TO segments_project;
