CREATE VIEW reporting.user_segment AS
SELECT
    s.network_id,
    s.segment_id::bigint AS segment_id,
    s.segment_name,
    p.user_id,
    k.is_member,
    segments.status_word(k.override) AS override,
    segments.status_word((k.state).automation_says) AS automation_says,
    k.member_since,
    (k.state).override_since AS override_since,
    (k.state).last_change_at AS last_change_at,
    k.last_recorded_at
FROM projections.serving_membership AS k
INNER JOIN segments.segment AS s ON k.segment_key = s.segment_key
INNER JOIN segments.person AS p ON k.person_id = p.person_id
WHERE
    k.is_member IS NOT NULL;

COMMENT ON VIEW reporting.user_segment IS 'The state of every (segment, user) with an event; rows are never removed. For incremental extraction, use changed_keys(). Key: network_id, segment_id, user_id.';
COMMENT ON COLUMN reporting.user_segment.network_id IS 'The tenant.';
COMMENT ON COLUMN reporting.user_segment.segment_id IS 'The segment''s number within its network.';
COMMENT ON COLUMN reporting.user_segment.segment_name IS 'The segment''s name, as the registry has it now.';
COMMENT ON COLUMN reporting.user_segment.user_id IS 'The user: an email in lower case, or a user id as sent; erased:<n> once erased.';
COMMENT ON COLUMN reporting.user_segment.is_member IS 'Whether the user is in the segment.';
COMMENT ON COLUMN reporting.user_segment.override IS 'add or block; null without an override.';
COMMENT ON COLUMN reporting.user_segment.automation_says IS 'The last enter or leave, whatever the override; null if there was none.';
COMMENT ON COLUMN reporting.user_segment.member_since IS 'The time of the event that began the present membership; null for a non-member.';
COMMENT ON COLUMN reporting.user_segment.override_since IS 'The time of the event that began the present override value; null without one.';
COMMENT ON COLUMN reporting.user_segment.last_change_at IS 'The time of the last event, in the order of the fold, that changed membership, override or its expires_at.';
COMMENT ON COLUMN reporting.user_segment.last_recorded_at IS 'The newest recorded_at among the events of this segment and user.';

GRANT SELECT ON reporting.user_segment TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('user_segment');
