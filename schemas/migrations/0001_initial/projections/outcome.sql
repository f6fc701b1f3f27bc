-- What became of an event besides what its interval says: an event without a row was applied where it began an interval,
-- and changed nothing where it did not. marks: the fold's effect, less what it changed, and 16 where it was superseded.
-- Written with the row of the event's key in membership locked.
CREATE TABLE projections.outcome (
    slot smallint NOT NULL,
    marks smallint NOT NULL,
    segment_key integer NOT NULL,
    lane_id integer NOT NULL,
    kafka_offset bigint NOT NULL,
    CONSTRAINT outcome_pkey PRIMARY KEY (slot, lane_id, kafka_offset)
) PARTITION BY LIST (slot);
CREATE TABLE projections.outcome_0 PARTITION OF projections.outcome FOR VALUES IN (0) WITH (fillfactor = 90);
CREATE TABLE projections.outcome_1 PARTITION OF projections.outcome FOR VALUES IN (1) WITH (fillfactor = 90);
GRANT SELECT ON projections.outcome, projections.outcome_0, projections.outcome_1
TO segments_ingest, segments_operate, segments_api;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON projections.outcome, projections.outcome_0, projections.outcome_1
TO segments_project;
