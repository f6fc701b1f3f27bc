CREATE VIEW reporting.segment AS
SELECT network_id, segment_id::bigint AS segment_id, segment_name, description, is_visible, created_at, created_by, archived_at
FROM segments.segment;

COMMENT ON VIEW reporting.segment IS 'The segments of each network, archived and hidden ones included. Key: network_id, segment_id.';
COMMENT ON COLUMN reporting.segment.network_id IS 'The tenant.';
COMMENT ON COLUMN reporting.segment.segment_id IS 'The segment''s number within its network.';
COMMENT ON COLUMN reporting.segment.segment_name IS 'The segment''s name, as the registry has it now.';
COMMENT ON COLUMN reporting.segment.description IS 'What the segment is for.';
COMMENT ON COLUMN reporting.segment.is_visible IS 'False for a hidden segment.';
COMMENT ON COLUMN reporting.segment.created_at IS 'When it was created.';
COMMENT ON COLUMN reporting.segment.created_by IS 'Who created it.';
COMMENT ON COLUMN reporting.segment.archived_at IS 'When it was archived, and began to refuse commands; null if it is not archived.';

GRANT SELECT ON reporting.segment TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('segment');
