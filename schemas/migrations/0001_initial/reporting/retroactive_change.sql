-- With a filter by network or segment only its events are folded.
CREATE VIEW reporting.retroactive_change AS
SELECT
    s.network_id,
    s.segment_id::bigint AS segment_id,
    p.user_id,
    segments.event_id(l.topic, l.partition, l.epoch, (c.change).kafka_offset) AS event_id,
    (c.change).recorded_at AS recorded_at,
    (c.change).day AS day,
    c.members_before,
    c.members_after,
    c.joined_before,
    c.joined_after,
    c.left_before,
    c.left_after
FROM segments.segment AS s
CROSS JOIN LATERAL projections.moved_days(s.segment_key) AS c
INNER JOIN segments.lane AS l ON (c.change).lane_id = l.lane_id
INNER JOIN segments.person AS p ON (c.change).person_id = p.person_id
WHERE (c.change).day < ((c.change).recorded_at AT TIME ZONE 'UTC')::date;

COMMENT ON VIEW reporting.retroactive_change IS 'Each event that altered a day that was over when it was recorded, and each such day that it altered: users who joined or left on it. Later days have members_after - members_before more members, too. Key: event_id, day.';
COMMENT ON COLUMN reporting.retroactive_change.network_id IS 'The tenant.';
COMMENT ON COLUMN reporting.retroactive_change.segment_id IS 'The segment''s number within its network.';
COMMENT ON COLUMN reporting.retroactive_change.user_id IS 'The user: an email in lower case, or a user id as sent; erased:<n> once erased.';
COMMENT ON COLUMN reporting.retroactive_change.event_id IS 'The event''s id, as in view event.';
COMMENT ON COLUMN reporting.retroactive_change.recorded_at IS 'When it was appended to the log (the database''s clock).';
COMMENT ON COLUMN reporting.retroactive_change.day IS 'The UTC day that it altered.';
COMMENT ON COLUMN reporting.retroactive_change.members_before IS 'Users in the segment at the end of that day, before the event.';
COMMENT ON COLUMN reporting.retroactive_change.members_after IS 'Users in the segment at the end of that day, after the event.';
COMMENT ON COLUMN reporting.retroactive_change.joined_before IS 'members_joined of that day before the event.';
COMMENT ON COLUMN reporting.retroactive_change.joined_after IS 'members_joined of that day after the event.';
COMMENT ON COLUMN reporting.retroactive_change.left_before IS 'members_left of that day before the event.';
COMMENT ON COLUMN reporting.retroactive_change.left_after IS 'members_left of that day after the event.';

GRANT SELECT ON reporting.retroactive_change TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('retroactive_change');
