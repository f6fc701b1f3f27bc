-- Changes of is_member by the UTC day of their time, and the newest recorded_at of the day's events.
CREATE TABLE projections.size_daily (
    slot smallint NOT NULL,
    segment_key integer NOT NULL,
    day date NOT NULL,
    lane_id integer NOT NULL,
    joined bigint NOT NULL,
    departed bigint NOT NULL,
    restated_at timestamptz,
    -- Those who joined by an add and left by a block. The others did by enter and leave.
    added bigint NOT NULL,
    blocked bigint NOT NULL,
    CONSTRAINT size_daily_pkey PRIMARY KEY (slot, segment_key, day, lane_id)
) PARTITION BY LIST (slot);
CREATE TABLE projections.size_daily_0 PARTITION OF projections.size_daily FOR VALUES IN (0) WITH (fillfactor = 75);
CREATE TABLE projections.size_daily_1 PARTITION OF projections.size_daily FOR VALUES IN (1) WITH (fillfactor = 75);
GRANT SELECT ON projections.size_daily, projections.size_daily_0, projections.size_daily_1
TO segments_ingest, segments_operate, segments_api;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON projections.size_daily, projections.size_daily_0, projections.size_daily_1
TO segments_project;
