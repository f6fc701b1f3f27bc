CREATE VIEW reporting.segment_size_daily AS
SELECT
    s.network_id,
    s.segment_id::bigint AS segment_id,
    s.segment_name,
    d.day,
    sum(d.joined - d.departed) OVER (PARTITION BY s.network_id, d.segment_key ORDER BY d.day)::bigint AS members,
    d.joined AS members_joined,
    d.departed AS members_left,
    d.restated_at
FROM (
    SELECT
        z.segment_key,
        z.day,
        sum(z.joined)::bigint AS joined,
        sum(z.departed)::bigint AS departed,
        max(z.restated_at) AS restated_at
    FROM projections.serving_size_daily AS z
    GROUP BY z.segment_key, z.day
) AS d
INNER JOIN segments.segment AS s ON d.segment_key = s.segment_key
WHERE d.joined > 0 OR d.departed > 0;

COMMENT ON VIEW reporting.segment_size_daily IS 'Per segment and UTC day with a change of membership: users who joined, users who left, and members at the end of the day. Key: network_id, segment_id, day.';
COMMENT ON COLUMN reporting.segment_size_daily.network_id IS 'The tenant.';
COMMENT ON COLUMN reporting.segment_size_daily.segment_id IS 'The segment''s number within its network.';
COMMENT ON COLUMN reporting.segment_size_daily.segment_name IS 'The segment''s name, as the registry has it now.';
COMMENT ON COLUMN reporting.segment_size_daily.day IS 'The UTC day of status_change_timestamp.';
COMMENT ON COLUMN reporting.segment_size_daily.members IS 'Users in the segment at the end of that day.';
COMMENT ON COLUMN reporting.segment_size_daily.members_joined IS 'Changes to member on that day, including those that were reversed on the same day.';
COMMENT ON COLUMN reporting.segment_size_daily.members_left IS 'Changes to non-member on that day, including those that were reversed on the same day.';
COMMENT ON COLUMN reporting.segment_size_daily.restated_at IS 'The newest recorded_at among the segment''s events of that day.';

GRANT SELECT ON reporting.segment_size_daily TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('segment_size_daily');
