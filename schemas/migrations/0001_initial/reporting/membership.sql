CREATE VIEW reporting.membership AS
SELECT
    k.network_id,
    k.segment_id,
    s.segment_name,
    p.user_id,
    k.member_since AS since,
    segments.status_word(e.user_status) AS cause,
    segments.status_word(k.override) AS override,
    e.reference_id,
    e.description,
    e.metadata::jsonb AS metadata,
    k.last_recorded_at,
    segments.event_id(l.topic, l.partition, l.epoch, e.kafka_offset) AS event_id,
    coalesce(e.source, 'kafka') AS source,
    e.actor
FROM projections.serving_membership AS k
INNER JOIN segments.person AS p ON k.person_id = p.person_id
-- LEFT, so that the planner removes the join if none of its columns is selected.
LEFT JOIN segments.segment AS s ON k.segment_key = s.segment_key
-- The key is a join condition too, so that a filter by reference can go from the event to the state by index.
LEFT JOIN segments.event AS e
    ON
        (k.state).member_lane_id = e.lane_id
        AND (k.state).member_offset = e.kafka_offset
        AND k.segment_key = e.segment_key
        AND k.person_id = e.person_id
LEFT JOIN segments.lane AS l ON e.lane_id = l.lane_id
WHERE
    k.is_member;

COMMENT ON VIEW reporting.membership IS 'The current members of each segment, and the event that began each membership. Key: network_id, segment_id, user_id.';
COMMENT ON COLUMN reporting.membership.network_id IS 'The tenant.';
COMMENT ON COLUMN reporting.membership.segment_id IS 'The segment''s number within its network.';
COMMENT ON COLUMN reporting.membership.segment_name IS 'The segment''s name, as the registry has it now.';
COMMENT ON COLUMN reporting.membership.user_id IS 'The user: an email in lower case, or a user id as sent; erased:<n> once erased.';
COMMENT ON COLUMN reporting.membership.since IS 'The time of the event that began the present membership.';
COMMENT ON COLUMN reporting.membership.cause IS 'user_status of the event that began it.';
COMMENT ON COLUMN reporting.membership.override IS 'add for a pinned member; null for a member by automation alone.';
COMMENT ON COLUMN reporting.membership.reference_id IS 'The publisher''s own id; may repeat. auto:… if the publisher sent none.';
COMMENT ON COLUMN reporting.membership.description IS 'The reason, as given by the publisher.';
COMMENT ON COLUMN reporting.membership.metadata IS 'The publisher''s own data; null if there is none.';
COMMENT ON COLUMN reporting.membership.last_recorded_at IS 'The newest recorded_at among the events of this segment and user.';
COMMENT ON COLUMN reporting.membership.event_id IS 'The id of the event that began the present membership.';
COMMENT ON COLUMN reporting.membership.source IS 'Its source: kafka, http, cli, import, dashboard, retry or expiry, as signed.';
COMMENT ON COLUMN reporting.membership.actor IS 'The person or service behind it, as signed; null without a signature.';

GRANT SELECT ON reporting.membership TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('membership');
