-- From the key to its history to the events, so that a key, a user or a segment is folded once; or, asked by reference,
-- from few events to their keys. The planner takes every key for one of few events and would as gladly go from the key
-- to its events and fold the key for each: + 0 shuts that way, for no index has it.
CREATE VIEW reporting.membership_history AS
SELECT
    segments.event_id(l.topic, l.partition, l.epoch, e.kafka_offset) AS event_id,
    s.network_id,
    s.segment_id::bigint AS segment_id,
    p.user_id,
    e.status_change_timestamp AS valid_from,
    h.valid_to,
    h.valid_to IS NULL AS is_current,
    (h.state).is_member AS is_member,
    segments.status_word((h.state).override) AS override,
    segments.status_word(e.user_status) AS cause,
    e.reference_id,
    (k.state).last_recorded_at AS last_recorded_at
FROM projections.serving_membership AS k
INNER JOIN segments.segment AS s ON k.segment_key = s.segment_key
INNER JOIN segments.person AS p ON k.person_id = p.person_id
INNER JOIN segments.event AS e
    ON k.person_id = e.person_id + 0 AND nullif(k.segment_key = e.segment_key, false) IS NOT NULL
INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
INNER JOIN LATERAL (
    SELECT
        f.lane_id,
        f.kafka_offset,
        f.state,
        lead(f.status_change_timestamp) OVER (ORDER BY f.place) AS valid_to
    FROM projections.history AS f
    WHERE f.segment_key = k.segment_key AND f.person_id = k.person_id AND (f.state).effect & 3 <> 0
    OFFSET 0
) AS h ON e.lane_id = h.lane_id AND e.kafka_offset = h.kafka_offset;

COMMENT ON VIEW reporting.membership_history IS 'Each state (is_member, override) of a user in a segment, with the interval in which it held.';
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

GRANT SELECT ON reporting.membership_history TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('membership_history');
