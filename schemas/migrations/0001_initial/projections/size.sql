-- Sums over the keys of a segment, per lane, so that lanes never wait for each other's row locks.
CREATE TABLE projections.size (
    slot smallint NOT NULL,
    segment_key integer NOT NULL,
    lane_id integer NOT NULL,
    members bigint NOT NULL,
    added bigint NOT NULL,
    blocked bigint NOT NULL,
    CONSTRAINT size_pkey PRIMARY KEY (slot, segment_key, lane_id)
) PARTITION BY LIST (slot);
CREATE TABLE projections.size_0 PARTITION OF projections.size FOR VALUES IN (0) WITH (fillfactor = 50);
CREATE TABLE projections.size_1 PARTITION OF projections.size FOR VALUES IN (1) WITH (fillfactor = 50);
GRANT SELECT ON projections.size, projections.size_0, projections.size_1 TO segments_ingest, segments_operate, segments_api;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON projections.size, projections.size_0, projections.size_1 TO segments_project;
