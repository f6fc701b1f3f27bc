CREATE VIEW reporting.override AS
SELECT
    s.network_id,
    s.segment_id::bigint AS segment_id,
    s.segment_name,
    p.user_id,
    segments.status_word(k.override) AS override,
    k.is_member,
    (k.state).override_since AS since,
    (k.state).expires_at AS expires_at,
    e.reference_id,
    e.description,
    e.metadata::jsonb AS metadata,
    k.last_recorded_at,
    segments.event_id(l.topic, l.partition, l.epoch, e.kafka_offset) AS event_id,
    coalesce(e.source, 'kafka') AS source,
    e.actor
FROM projections.serving_membership AS k
INNER JOIN segments.segment AS s ON k.segment_key = s.segment_key
INNER JOIN segments.person AS p ON k.person_id = p.person_id
-- The key is a join condition too, so that a filter by reference can go from the event to the state by index.
LEFT JOIN segments.event AS e
    ON
        (k.state).stated_lane_id = e.lane_id
        AND (k.state).stated_offset = e.kafka_offset
        AND k.segment_key = e.segment_key
        AND k.person_id = e.person_id
-- LEFT, so that the planner removes the join if none of its columns is selected.
LEFT JOIN segments.lane AS l ON e.lane_id = l.lane_id
WHERE
    k.override > 0;

COMMENT ON VIEW reporting.override IS 'Standing overrides: users that a person or service has added or blocked, regardless of automation. Key: network_id, segment_id, user_id.';
COMMENT ON COLUMN reporting.override.network_id IS 'The tenant.';
COMMENT ON COLUMN reporting.override.segment_id IS 'The segment''s number within its network.';
COMMENT ON COLUMN reporting.override.segment_name IS 'The segment''s name, as the registry has it now.';
COMMENT ON COLUMN reporting.override.user_id IS 'The user: an email in lower case, or a user id as sent; erased:<n> once erased.';
COMMENT ON COLUMN reporting.override.override IS 'add or block; null without an override.';
COMMENT ON COLUMN reporting.override.is_member IS 'Whether the user is in the segment.';
COMMENT ON COLUMN reporting.override.since IS 'The time of the event that began the present override value.';
COMMENT ON COLUMN reporting.override.expires_at IS 'When the override expires; null for never. It stands until an expire event takes effect.';
COMMENT ON COLUMN reporting.override.reference_id IS 'The publisher''s own id; may repeat. auto:… if the publisher sent none.';
COMMENT ON COLUMN reporting.override.description IS 'The reason, as given by the publisher.';
COMMENT ON COLUMN reporting.override.metadata IS 'The publisher''s own data; null if there is none.';
COMMENT ON COLUMN reporting.override.last_recorded_at IS 'The newest recorded_at among the events of this segment and user.';
COMMENT ON COLUMN reporting.override.event_id IS 'The id of the event that last stated the override.';
COMMENT ON COLUMN reporting.override.source IS 'Its source: kafka, http, cli, import, dashboard, retry or expiry, as signed.';
COMMENT ON COLUMN reporting.override.actor IS 'The person or service behind it, as signed; null without a signature.';

GRANT SELECT ON reporting.override TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('override');
