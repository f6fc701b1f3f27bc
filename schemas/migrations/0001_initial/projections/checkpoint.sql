-- The position of a projection's slot in a lane, updated in the transaction that updates its rows.
CREATE TABLE projections.checkpoint (
    projection text NOT NULL CONSTRAINT checkpoint_projection REFERENCES projections.generation,
    slot smallint NOT NULL,
    lane_id integer NOT NULL CONSTRAINT checkpoint_lane REFERENCES segments.lane,
    next_offset bigint NOT NULL,
    -- Every record of the lane received before complete_until is folded; no record recorded before
    -- recorded_until will still appear. Neither ever decreases.
    complete_until timestamptz NOT NULL DEFAULT '-infinity',
    recorded_until timestamptz NOT NULL DEFAULT '-infinity',
    CONSTRAINT checkpoint_pkey PRIMARY KEY (projection, slot, lane_id)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON projections.checkpoint TO segments_project;
GRANT SELECT ON projections.checkpoint TO segments_ingest, segments_operate, segments_api;
