CREATE VIEW reporting.segment_size AS
SELECT
    s.network_id,
    s.segment_id::bigint AS segment_id,
    s.segment_name,
    coalesce(sum(z.members), 0)::bigint AS members,
    coalesce(sum(z.added), 0)::bigint AS added,
    coalesce(sum(z.blocked), 0)::bigint AS blocked
FROM segments.segment AS s
LEFT JOIN projections.serving_size AS z
    ON
        s.segment_key = z.segment_key
GROUP BY s.segment_key, s.network_id, s.segment_id, s.segment_name;

COMMENT ON VIEW reporting.segment_size IS 'Members and standing overrides per segment, empty segments included. Key: network_id, segment_id.';
COMMENT ON COLUMN reporting.segment_size.network_id IS 'The tenant.';
COMMENT ON COLUMN reporting.segment_size.segment_id IS 'The segment''s number within its network.';
COMMENT ON COLUMN reporting.segment_size.segment_name IS 'The segment''s name, as the registry has it now.';
COMMENT ON COLUMN reporting.segment_size.members IS 'Users in the segment.';
COMMENT ON COLUMN reporting.segment_size.added IS 'Standing overrides that keep a user in.';
COMMENT ON COLUMN reporting.segment_size.blocked IS 'Standing overrides that keep a user out.';

GRANT SELECT ON reporting.segment_size TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('segment_size');
