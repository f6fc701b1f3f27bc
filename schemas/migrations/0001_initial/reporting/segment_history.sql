CREATE VIEW reporting.segment_history AS
SELECT
    s.network_id,
    s.segment_id::bigint AS segment_id,
    r.segment_name,
    r.description,
    r.is_visible,
    r.archived,
    r.changed_at AS valid_from,
    lead(r.changed_at) OVER (PARTITION BY s.network_id, r.segment_key ORDER BY r.version) AS valid_to,
    r.actor,
    r.reason
FROM segments.registry_event AS r
INNER JOIN segments.segment AS s ON r.segment_key = s.segment_key;

COMMENT ON VIEW reporting.segment_history IS 'Each version of a segment in the registry, from valid_from to valid_to. Key: network_id, segment_id, valid_from.';
COMMENT ON COLUMN reporting.segment_history.network_id IS 'The tenant.';
COMMENT ON COLUMN reporting.segment_history.segment_id IS 'The segment''s number within its network.';
COMMENT ON COLUMN reporting.segment_history.segment_name IS 'The name after this change.';
COMMENT ON COLUMN reporting.segment_history.description IS 'The description after this change.';
COMMENT ON COLUMN reporting.segment_history.is_visible IS 'The visibility after this change.';
COMMENT ON COLUMN reporting.segment_history.archived IS 'Whether the segment is archived after this change.';
COMMENT ON COLUMN reporting.segment_history.valid_from IS 'When the change was made.';
COMMENT ON COLUMN reporting.segment_history.valid_to IS 'When the next one was made; null for the latest.';
COMMENT ON COLUMN reporting.segment_history.actor IS 'The person or job that made the change.';
COMMENT ON COLUMN reporting.segment_history.reason IS 'Why, as the actor says; null if nothing was said.';

GRANT SELECT ON reporting.segment_history TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('segment_history');
