-- Which expiries of overrides were published and may be on their way.
-- One row for each key whose override is overdue; it goes when that override is gone.
CREATE TABLE projections.expiry (
    segment_key integer NOT NULL,
    person_id bigint NOT NULL,
    -- The event that stated the override.
    named_lane_id integer NOT NULL,
    named_offset bigint NOT NULL,
    -- Where its expiry was published; null while somebody is about to.
    topic text COLLATE "C",
    partition integer,
    epoch integer,
    kafka_offset bigint,
    times integer NOT NULL DEFAULT 0,
    -- Before this moment nobody else publishes it.
    again_at timestamptz NOT NULL,
    CONSTRAINT expiry_pkey PRIMARY KEY (segment_key, person_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.expiry TO segments_project;
GRANT SELECT ON projections.expiry TO segments_operate;
