CREATE VIEW reporting.watermark AS
SELECT
    -- A closed lane counts until it is folded. Null if it is not known for some lane yet.
    nullif(min(p.complete_until) FILTER (WHERE NOT l.closed OR p.next_offset < l.next_offset), '-infinity') AS complete_until,
    -- As complete_until.
    nullif(min(p.recorded_until) FILTER (WHERE NOT l.closed OR p.next_offset < l.next_offset), '-infinity') AS recorded_until,
    coalesce((
        SELECT sum(f.ingest_behind) FROM reporting.freshness AS f GROUP BY f.projection ORDER BY 1 DESC LIMIT 1
    ), 0)::bigint AS ingest_behind,
    coalesce((
        SELECT sum(f.projection_behind) FROM reporting.freshness AS f GROUP BY f.projection ORDER BY 1 DESC LIMIT 1
    ), 0)::bigint AS projection_behind,
    coalesce(count(DISTINCT l.lane_id) FILTER (WHERE l.stopped_because IS NOT NULL AND NOT l.closed), 0) AS stopped_lanes
FROM segments.lane AS l
INNER JOIN projections.progress AS p ON l.lane_id = p.lane_id;

COMMENT ON VIEW reporting.watermark IS 'One row: the times up to which log and projections are complete.';
COMMENT ON COLUMN reporting.watermark.complete_until IS 'Every record received before this is in every projection.';
COMMENT ON COLUMN reporting.watermark.recorded_until IS 'No row with an earlier recorded_at will appear any more, in the log or the projections.';
COMMENT ON COLUMN reporting.watermark.ingest_behind IS 'Records in Kafka that are not in the log, over all lanes.';
COMMENT ON COLUMN reporting.watermark.projection_behind IS 'Records in the log that are not in the slowest projection, over all lanes.';
COMMENT ON COLUMN reporting.watermark.stopped_lanes IS 'Lanes that are stopped until an operator acts.';

GRANT SELECT ON reporting.watermark TO segments_project, segments_operate, segments_api, segments_report;
CALL segments.make_network_view('watermark', shows => 'everything');
