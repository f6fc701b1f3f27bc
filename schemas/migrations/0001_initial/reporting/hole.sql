CREATE VIEW reporting.hole AS
SELECT
    l.topic AS kafka_topic,
    l.partition AS kafka_partition,
    l.epoch AS kafka_epoch,
    h.first_offset,
    h.next_offset,
    h.cause,
    h.recorded_at
FROM segments.hole AS h
INNER JOIN segments.lane AS l ON h.lane_id = l.lane_id;

COMMENT ON VIEW reporting.hole IS 'Ranges of offsets without a record for the log: transaction markers, aborted records, compaction, retention, and offsets that were skipped at an adoption. Key: kafka_topic, kafka_partition, kafka_epoch, first_offset.';
COMMENT ON COLUMN reporting.hole.kafka_topic IS 'Topic of the lane.';
COMMENT ON COLUMN reporting.hole.kafka_partition IS 'Partition of the lane.';
COMMENT ON COLUMN reporting.hole.kafka_epoch IS 'Starts at 0, and increases by 1 with each adoption of a remade topic.';
COMMENT ON COLUMN reporting.hole.first_offset IS 'The first offset of the range.';
COMMENT ON COLUMN reporting.hole.next_offset IS 'The offset after the range.';
COMMENT ON COLUMN reporting.hole.cause IS 'What the range contained, if known, or why an operator skipped it.';
COMMENT ON COLUMN reporting.hole.recorded_at IS 'When it was appended to the log (the database''s clock).';

GRANT SELECT ON reporting.hole TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('hole', shows => 'shown lanes');
