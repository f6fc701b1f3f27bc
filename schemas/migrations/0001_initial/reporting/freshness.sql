CREATE VIEW reporting.freshness AS
SELECT
    g.projection,
    l.topic AS kafka_topic,
    l.partition AS kafka_partition,
    l.epoch AS kafka_epoch,
    l.end_offset AS kafka_end_offset,
    l.end_seen_at AS kafka_end_seen_at,
    l.next_offset AS log_offset,
    coalesce(c.next_offset, l.first_offset) AS projected_offset,
    CASE WHEN l.closed THEN 0 ELSE greatest(l.end_offset - l.next_offset, 0) END AS ingest_behind,
    l.next_offset - coalesce(c.next_offset, l.first_offset) AS projection_behind
FROM segments.lane AS l
CROSS JOIN projections.generation AS g
LEFT JOIN projections.checkpoint AS c ON l.lane_id = c.lane_id AND g.projection = c.projection AND g.slot = c.slot;

COMMENT ON VIEW reporting.freshness IS 'The lag of the log behind Kafka and of each projection behind the log, per lane. Offsets are next offsets. Key: projection, kafka_topic, kafka_partition, kafka_epoch.';
COMMENT ON COLUMN reporting.freshness.projection IS 'The projection.';
COMMENT ON COLUMN reporting.freshness.kafka_topic IS 'Topic of the lane.';
COMMENT ON COLUMN reporting.freshness.kafka_partition IS 'Partition of the lane.';
COMMENT ON COLUMN reporting.freshness.kafka_epoch IS 'Starts at 0, and increases by 1 with each adoption of a remade topic.';
COMMENT ON COLUMN reporting.freshness.kafka_end_offset IS 'The partition''s last stable offset, as last seen.';
COMMENT ON COLUMN reporting.freshness.kafka_end_seen_at IS 'When it was last read.';
COMMENT ON COLUMN reporting.freshness.log_offset IS 'The next offset of the log.';
COMMENT ON COLUMN reporting.freshness.projected_offset IS 'The next offset of the projection.';
COMMENT ON COLUMN reporting.freshness.ingest_behind IS 'Records in Kafka that are not in the log.';
COMMENT ON COLUMN reporting.freshness.projection_behind IS 'Records in the log that are not in the projection.';

GRANT SELECT ON reporting.freshness TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('freshness', shows => 'shown lanes');
