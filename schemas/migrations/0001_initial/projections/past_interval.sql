-- The ended intervals of each key, from a change of (is_member, override) to the next one. The current interval is in the
-- key's state, so a key's first event makes no row here. A key's intervals follow each other without gaps from its first
-- event on. If that event changed nothing, no event began the first interval, and the columns of the event are null. Two
-- changes in one second leave an empty interval between them. Rows are written while the key's row in membership is locked.
CREATE TABLE projections.past_interval (
    slot smallint NOT NULL,
    is_member boolean NOT NULL,
    override smallint NOT NULL,
    -- The event that began it.
    user_status smallint,
    effect smallint, -- 1 changed is_member, 2 the override
    lane_id integer,
    segment_key integer NOT NULL,
    kafka_offset bigint,
    person_id bigint NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL
) PARTITION BY LIST (slot);
CREATE TABLE projections.past_interval_0 PARTITION OF projections.past_interval FOR VALUES IN (0);
CREATE TABLE projections.past_interval_1 PARTITION OF projections.past_interval FOR VALUES IN (1);
-- No unique index: a late event deletes rows and inserts others in one statement. `segments verify` checks uniqueness.
CREATE INDEX past_interval_of_person ON projections.past_interval (person_id, segment_key, valid_from);
-- By the end: events folded in order append at the right edge, and a query as of a moment finds what ended after it.
CREATE INDEX past_interval_of_segment ON projections.past_interval (segment_key, valid_to);
GRANT SELECT ON projections.past_interval, projections.past_interval_0, projections.past_interval_1
TO segments_ingest, segments_operate, segments_api;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON projections.past_interval, projections.past_interval_0,
projections.past_interval_1
TO segments_project;

-- All intervals, with the current ones (valid_to null). Each part has one table and no filter, so that a condition on key,
-- person or segment can use the indexes of both.
CREATE VIEW projections.key_interval AS
SELECT
    i.slot,
    i.segment_key,
    i.person_id,
    i.valid_from,
    i.valid_to,
    i.lane_id,
    i.kafka_offset,
    i.user_status,
    i.effect,
    i.is_member,
    i.override,
    NULL::timestamptz AS last_recorded_at
FROM projections.past_interval AS i
UNION ALL
SELECT
    k.slot,
    k.segment_key,
    k.person_id,
    k.valid_from,
    NULL::timestamptz AS valid_to,
    k.from_lane_id AS lane_id,
    k.from_offset AS kafka_offset,
    k.from_status AS user_status,
    k.from_effect AS effect,
    k.is_member,
    k.override,
    k.last_recorded_at
FROM projections.membership AS k;
GRANT SELECT ON projections.key_interval TO segments_project, segments_operate, segments_api;
