-- The expiries of overrides that were published and may not be in the log yet.
-- One row for each key whose override is overdue, deleted when the override has ended.
CREATE TABLE projections.expiry (
    segment_key integer NOT NULL,
    person_id bigint NOT NULL,
    -- The event that stated the override.
    stated_lane_id integer NOT NULL,
    stated_offset bigint NOT NULL,
    -- The position of its expiry; null while a process is about to publish it.
    topic text COLLATE "C",
    partition integer,
    epoch integer,
    kafka_offset bigint,
    times integer NOT NULL DEFAULT 0,
    -- Until then no other process publishes it.
    again_at timestamptz NOT NULL,
    CONSTRAINT expiry_pkey PRIMARY KEY (segment_key, person_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.expiry TO segments_project;
GRANT SELECT ON projections.expiry TO segments_operate;
