-- The serving slot, and the rows of the tables in it.
CREATE VIEW projections.serving AS
SELECT g.slot FROM projections.generation AS g
WHERE g.projection = 'membership';

-- The same, for views that are a union: Postgres 15 has no parallel plan of a part of a union that has a sub-select. It is called
-- for each row of a scan.
CREATE FUNCTION projections.serving_slot() RETURNS smallint
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT s.slot FROM projections.serving AS s);
END $$;
GRANT EXECUTE ON FUNCTION projections.serving_slot
TO segments_project, segments_operate, segments_api, segments_report, segments_report_network;

CREATE VIEW projections.serving_checkpoint AS
SELECT t.lane_id, t.next_offset, t.complete_until, t.recorded_until
FROM projections.checkpoint AS t
WHERE t.projection = 'membership' AND t.slot = (SELECT s.slot FROM projections.serving AS s);

CREATE VIEW projections.serving_membership AS
SELECT
    t.segment_key, t.person_id, projections.state_of(t) AS state, t.expires_at, t.tail, t.is_member, t.override, t.valid_from,
    t.last_recorded_at, t.member_since, t.network_id, t.segment_id
FROM projections.membership AS t
WHERE t.slot = (SELECT s.slot FROM projections.serving AS s);

CREATE VIEW projections.serving_interval AS
SELECT
    t.segment_key, t.person_id, t.valid_from, t.valid_to, t.lane_id, t.kafka_offset, t.user_status, t.effect,
    t.is_member, t.override, t.last_recorded_at
FROM projections.key_interval AS t
WHERE t.slot = (SELECT s.slot FROM projections.serving AS s);

CREATE VIEW projections.serving_outcome AS
SELECT t.lane_id, t.block, t.codes
FROM projections.outcome AS t
WHERE t.slot = projections.serving_slot();

CREATE VIEW projections.serving_kept_state AS
SELECT
    t.segment_key, t.person_id, t.status_change_timestamp, t.received_at, t.lane_id, t.kafka_offset, t.state,
    t.arrived_at, t.arrived_lane_id, t.arrived_offset
FROM projections.kept_state AS t
WHERE t.slot = (SELECT s.slot FROM projections.serving AS s);

CREATE VIEW projections.serving_size AS
SELECT t.segment_key, t.lane_id, t.members, t.added, t.blocked
FROM projections.size AS t
WHERE t.slot = (SELECT s.slot FROM projections.serving AS s);

CREATE VIEW projections.serving_size_daily AS
SELECT t.segment_key, t.day, t.lane_id, t.joined, t.departed, t.restated_at, t.added, t.blocked
FROM projections.size_daily AS t
WHERE t.slot = (SELECT s.slot FROM projections.serving AS s);

GRANT SELECT ON projections.serving, projections.serving_checkpoint, projections.serving_membership,
projections.serving_interval, projections.serving_outcome, projections.serving_kept_state, projections.serving_size,
projections.serving_size_daily
TO segments_project, segments_operate, segments_api;
