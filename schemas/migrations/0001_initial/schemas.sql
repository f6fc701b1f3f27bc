-- segments: the log, the registry and the fold. projections: the results of the fold, which can be rebuilt.
-- reporting: the views for analysts, a stable interface; columns are only ever appended.
CREATE SCHEMA segments;
CREATE SCHEMA projections;
CREATE SCHEMA reporting;
COMMENT ON SCHEMA reporting IS 'Segments for analysts: members, overrides, since when and why. The views are a stable interface; the tables behind them are not.';
CREATE SCHEMA reporting_network;
COMMENT ON SCHEMA reporting_network IS
'Schema reporting for an analyst of some networks: the same views and functions, with the rows of these networks.';

-- The file of each object has its grants: to each role the least that it needs.
REVOKE ALL ON SCHEMA segments, projections, reporting, reporting_network FROM public;
GRANT USAGE ON SCHEMA segments
TO segments_ingest, segments_project, segments_registry, segments_operate, segments_erase, segments_api, segments_seal;
GRANT USAGE ON SCHEMA projections TO segments_ingest, segments_project, segments_operate, segments_api;
GRANT USAGE ON SCHEMA reporting TO segments_project, segments_registry, segments_operate, segments_api, segments_report;
GRANT USAGE ON SCHEMA reporting_network TO segments_report_network;
