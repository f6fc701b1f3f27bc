-- The least that each role needs. The roles themselves are made by setup, being the cluster's, not the database's.
REVOKE ALL ON SCHEMA segments, projections, reporting FROM public;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA segments, projections, reporting FROM public;

GRANT USAGE ON SCHEMA segments TO segments_ingest, segments_project, segments_registry, segments_operate, segments_erase;
GRANT SELECT ON ALL TABLES IN SCHEMA segments TO segments_ingest, segments_project, segments_operate;
GRANT USAGE ON SCHEMA projections TO segments_ingest, segments_project, segments_operate;
GRANT SELECT ON ALL TABLES IN SCHEMA projections TO segments_ingest, segments_operate;
GRANT EXECUTE ON FUNCTION segments.event_id(text, integer, integer, bigint)
TO segments_ingest, segments_project, segments_operate, segments_report;
GRANT EXECUTE ON FUNCTION segments.incarnation() TO segments_ingest, segments_project, segments_operate;
GRANT EXECUTE ON FUNCTION segments.rejected_at(integer, bigint) TO segments_operate, segments_erase;
GRANT INSERT ON segments.erasure_gate TO segments_ingest, segments_operate;
GRANT EXECUTE ON FUNCTION segments.keep_erasure_out() TO segments_ingest, segments_operate;

GRANT EXECUTE ON FUNCTION segments.installation_name() TO segments_ingest, segments_project, segments_operate;
GRANT INSERT, UPDATE ON segments.topics_owner TO segments_ingest, segments_project;

-- ingest: appends, moves its lanes, meets new people.
GRANT INSERT ON segments.person, segments.event, segments.duplicate, segments.rejected, segments.hole,
segments.idempotency, segments.signature, segments.unbelieved, segments.lane, segments.lane_event, segments.relay
TO segments_ingest;
GRANT UPDATE ON segments.lane, segments.relay, segments.unbelieved TO segments_ingest;
GRANT INSERT ON projections.checkpoint TO segments_ingest;

-- projections: everything in their own schema, nothing in the log.
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA projections TO segments_project;
GRANT EXECUTE ON FUNCTION projections.analyze_grown() TO segments_project;
GRANT EXECUTE ON FUNCTION projections.as_recorded(segments.key_state, timestamptz) TO segments_project, segments_operate;
REVOKE ALL ON FUNCTION projections.history_between(integer, bigint, timestamptz, timestamptz) FROM public;
GRANT EXECUTE ON FUNCTION projections.history_between(integer, bigint, timestamptz, timestamptz) TO segments_operate;
GRANT EXECUTE ON FUNCTION segments.fold_step(
    segments.key_state, segments.key_state, smallint, timestamptz, timestamptz, timestamptz,
    integer, bigint, timestamptz, integer, bigint
), segments.fold(
    segments.key_state, smallint, timestamptz, timestamptz, timestamptz, integer, bigint, timestamptz, integer, bigint
) TO segments_project, segments_operate, segments_report;

-- registry: the segments and their changes.
GRANT SELECT, INSERT, UPDATE ON segments.network TO segments_registry;
GRANT SELECT, INSERT, UPDATE (segment_name, description, is_visible, archived_at) ON segments.segment TO segments_registry;
GRANT SELECT, INSERT ON segments.registry_event TO segments_registry;

-- operate: lane adopt, lane skip, rejected retry, status, explain, verify.
GRANT INSERT ON segments.lane, segments.lane_event, segments.rejected, segments.hole, segments.retry, segments.person,
segments.signature TO segments_operate;
GRANT UPDATE ON segments.lane TO segments_operate;
GRANT INSERT ON projections.checkpoint TO segments_operate;
GRANT USAGE ON SCHEMA reporting TO segments_operate, segments_registry, segments_project;
GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO segments_operate;
GRANT SELECT ON reporting.watermark TO segments_project;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reporting TO segments_operate;

-- erase: its function is given to this role by setup; nobody is a member of it.
GRANT SELECT, UPDATE ON segments.person TO segments_erase;
GRANT SELECT, UPDATE (user_sent, description, metadata, blanked) ON segments.event TO segments_erase;
GRANT EXECUTE ON FUNCTION segments.framed(bytea), segments.framed(text),
segments.personal_digest(bytea, text, text, text, text, text), segments.personal_digest(segments.rejected)
TO segments_erase, segments_operate, segments_ingest;
GRANT EXECUTE ON FUNCTION segments.row_digest(segments.rejected), segments.row_digest(segments.duplicate),
segments.row_digest(segments.hole) TO segments_operate, segments_ingest;
GRANT EXECUTE ON FUNCTION segments.event_digest(segments.event, bytea, integer, text, integer, integer)
TO segments_operate;
GRANT SELECT, UPDATE (detail, record_key, payload, payload_text, headers, salt, blanked) ON segments.rejected TO segments_erase;
GRANT SELECT, INSERT ON segments.erasure TO segments_erase;
GRANT USAGE ON SEQUENCE segments.erasure_erasure_id_seq TO segments_erase;
GRANT UPDATE ON segments.erasure_gate TO segments_erase;

-- report: the views and functions of schema reporting, and nothing else.
GRANT USAGE ON SCHEMA reporting TO segments_report;
GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO segments_report;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reporting TO segments_report;
