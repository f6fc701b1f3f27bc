CREATE VIEW reporting.membership_history AS
SELECT
    segments.event_id(l.topic, l.partition, l.epoch, i.kafka_offset) AS event_id,
    s.network_id,
    s.segment_id::bigint AS segment_id,
    p.user_id,
    i.valid_from,
    i.valid_to,
    i.valid_to IS NULL AS is_current,
    i.is_member,
    segments.status_word(i.override) AS override,
    segments.status_word(i.user_status) AS cause,
    e.reference_id,
    coalesce(i.last_recorded_at, (
        SELECT k.last_recorded_at FROM projections.serving_membership AS k
        WHERE k.segment_key = i.segment_key AND k.person_id = i.person_id
    )) AS last_recorded_at,
    i.valid_to - i.valid_from AS duration
FROM projections.serving_interval AS i
-- LEFT, so that the planner removes the join if none of its columns is selected.
LEFT JOIN segments.segment AS s ON i.segment_key = s.segment_key
LEFT JOIN segments.person AS p ON i.person_id = p.person_id
LEFT JOIN segments.lane AS l ON i.lane_id = l.lane_id
-- The key is a join condition too, so that a filter by reference can go from the event to the interval by index.
LEFT JOIN segments.event AS e
    ON
        i.lane_id = e.lane_id
        AND i.kafka_offset = e.kafka_offset
        AND i.segment_key = e.segment_key
        AND i.person_id = e.person_id
-- Without the interval before a key's first change, which no event began.
WHERE i.user_status IS NOT NULL;

COMMENT ON VIEW reporting.membership_history IS 'Each state (is_member, override) of a user in a segment, with the interval in which it held. Key: event_id.';
COMMENT ON COLUMN reporting.membership_history.event_id IS 'The event''s id, derived from its position; null for a rejected record.';
COMMENT ON COLUMN reporting.membership_history.network_id IS 'The tenant.';
COMMENT ON COLUMN reporting.membership_history.segment_id IS 'The segment''s number within its network.';
COMMENT ON COLUMN reporting.membership_history.user_id IS 'The user: an email in lower case, or a user id as sent; erased:<n> once erased.';
COMMENT ON COLUMN reporting.membership_history.valid_from IS 'The time of the event that made the change.';
COMMENT ON COLUMN reporting.membership_history.valid_to IS 'The time of the next change; null for the present state.';
COMMENT ON COLUMN reporting.membership_history.is_current IS 'True for the present state.';
COMMENT ON COLUMN reporting.membership_history.is_member IS 'Whether the user is in the segment.';
COMMENT ON COLUMN reporting.membership_history.override IS 'add or block; null without an override.';
COMMENT ON COLUMN reporting.membership_history.cause IS 'user_status of the event that began it.';
COMMENT ON COLUMN reporting.membership_history.reference_id IS 'The publisher''s own id; may repeat. auto:… if the publisher sent none.';
COMMENT ON COLUMN reporting.membership_history.last_recorded_at IS 'The newest recorded_at among the events of this segment and user.';
COMMENT ON COLUMN reporting.membership_history.duration IS 'valid_to less valid_from; null for the present state.';

GRANT SELECT ON reporting.membership_history TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('membership_history');
