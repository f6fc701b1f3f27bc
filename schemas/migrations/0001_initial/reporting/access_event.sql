CREATE VIEW reporting.access_event AS
SELECT
    a.access_event_id,
    a.network_id,
    a.segment_id,
    p.user_id,
    a.actor,
    a.key_id,
    a.via,
    a.route,
    a.reads,
    a.rows_read,
    a.first_at,
    a.last_at
FROM segments.access_event AS a
LEFT JOIN segments.person AS p ON a.person_id = p.person_id;

COMMENT ON VIEW reporting.access_event IS 'Who read or exported which segment''s or user''s data, over HTTP, on the dashboard or by a command; kept for 400 days. Equal reads within a second share a row. Key: access_event_id.';
COMMENT ON COLUMN reporting.access_event.access_event_id IS 'The number of the row.';
COMMENT ON COLUMN reporting.access_event.network_id IS 'The tenant; null if a command read all networks.';
COMMENT ON COLUMN reporting.access_event.segment_id IS 'The segment; null if it was not one segment.';
COMMENT ON COLUMN reporting.access_event.user_id IS 'The user; null if it was not one user, or nobody has that identifier; erased:<n> once erased.';
COMMENT ON COLUMN reporting.access_event.actor IS 'Who read: the name of the key, or the person at the command line.';
COMMENT ON COLUMN reporting.access_event.key_id IS 'The API key; null for a command.';
COMMENT ON COLUMN reporting.access_event.via IS 'http, page (of the dashboard) or command.';
COMMENT ON COLUMN reporting.access_event.route IS 'What was read: the path of a route or page, or the name of a command.';
COMMENT ON COLUMN reporting.access_event.reads IS 'The number of reads.';
COMMENT ON COLUMN reporting.access_event.rows_read IS 'The rows that they returned; null where they are not counted.';
COMMENT ON COLUMN reporting.access_event.first_at IS 'When the first of them was answered.';
COMMENT ON COLUMN reporting.access_event.last_at IS 'When the last of them was answered.';

GRANT SELECT ON reporting.access_event TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('access_event');
