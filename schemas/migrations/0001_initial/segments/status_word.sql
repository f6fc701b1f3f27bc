-- The word for a user_status; for an override too, which is an add or a block (0, none, has no word).
CREATE FUNCTION segments.status_word(status smallint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{add,block,reset,enter,leave,expire}'::text[])[status];
GRANT EXECUTE ON FUNCTION segments.status_word
TO segments_project, segments_operate, segments_api, segments_report, segments_report_network;
