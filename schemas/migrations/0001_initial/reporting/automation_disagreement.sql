CREATE VIEW reporting.automation_disagreement AS
SELECT network_id, segment_id, user_id, is_member, automation_says
FROM reporting.user_segment
WHERE override IS NULL AND is_member <> (automation_says = 'enter');

COMMENT ON VIEW reporting.automation_disagreement IS 'Members whose last automation outcome is leave, and non-members whose last one is enter, without an override that explains it. Key: network_id, segment_id, user_id.';
COMMENT ON COLUMN reporting.automation_disagreement.network_id IS 'The tenant.';
COMMENT ON COLUMN reporting.automation_disagreement.segment_id IS 'The segment''s number within its network.';
COMMENT ON COLUMN reporting.automation_disagreement.user_id IS 'The user: an email in lower case, or a user id as sent; erased:<n> once erased.';
COMMENT ON COLUMN reporting.automation_disagreement.is_member IS 'Whether the user is in the segment.';
COMMENT ON COLUMN reporting.automation_disagreement.automation_says IS 'The last enter or leave, whatever the override; null if there was none.';

GRANT SELECT ON reporting.automation_disagreement TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('automation_disagreement', shows => 'their views');
