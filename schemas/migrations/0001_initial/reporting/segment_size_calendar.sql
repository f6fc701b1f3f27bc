CREATE VIEW reporting.segment_size_calendar AS
SELECT
    s.network_id,
    s.segment_id::bigint AS segment_id,
    s.segment_name,
    c.day,
    c.members,
    c.joined AS members_joined,
    c.departed AS members_left,
    c.restated_at
FROM segments.segment AS s
CROSS JOIN LATERAL ( -- noqa: ST05
    WITH changed AS (
        SELECT
            z.day,
            sum(z.joined)::bigint AS joined,
            sum(z.departed)::bigint AS departed,
            max(z.restated_at) AS restated_at
        FROM projections.serving_size_daily AS z
        WHERE z.segment_key = s.segment_key
        GROUP BY z.day
    )

    SELECT
        f.first_day + n.nth AS day,
        sum(coalesce(d.joined - d.departed, 0)) OVER (ORDER BY n.nth)::bigint AS members,
        coalesce(d.joined, 0) AS joined,
        coalesce(d.departed, 0) AS departed,
        d.restated_at
    FROM (
        SELECT min(t.day) AS first_day, greatest(max(t.day), (now() AT TIME ZONE 'UTC')::date) AS last_day
        FROM changed AS t
    ) AS f
    CROSS JOIN LATERAL generate_series(0, f.last_day - f.first_day) AS n (nth)
    LEFT JOIN changed AS d ON d.day = f.first_day + n.nth
) AS c;

COMMENT ON VIEW reporting.segment_size_calendar IS 'Per segment and UTC day, from the first day with an event to today, without gaps: users who joined, users who left, and members at the end of the day. Key: network_id, segment_id, day.';
COMMENT ON COLUMN reporting.segment_size_calendar.network_id IS 'The tenant.';
COMMENT ON COLUMN reporting.segment_size_calendar.segment_id IS 'The segment''s number within its network.';
COMMENT ON COLUMN reporting.segment_size_calendar.segment_name IS 'The segment''s name, as the registry has it now.';
COMMENT ON COLUMN reporting.segment_size_calendar.day IS 'The UTC day of status_change_timestamp.';
COMMENT ON COLUMN reporting.segment_size_calendar.members IS 'Users in the segment at the end of that day.';
COMMENT ON COLUMN reporting.segment_size_calendar.members_joined IS 'Changes to member on that day, including those that were reversed on the same day.';
COMMENT ON COLUMN reporting.segment_size_calendar.members_left IS 'Changes to non-member on that day, including those that were reversed on the same day.';
COMMENT ON COLUMN reporting.segment_size_calendar.restated_at IS 'The newest recorded_at among the segment''s events of that day; null without events.';

GRANT SELECT ON reporting.segment_size_calendar TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('segment_size_calendar');
