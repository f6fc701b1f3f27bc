CREATE VIEW reporting.duplicate AS
SELECT
    l.topic AS kafka_topic,
    l.partition AS kafka_partition,
    l.epoch AS kafka_epoch,
    d.kafka_offset,
    d.received_at,
    d.recorded_at,
    segments.event_id(o.topic, o.partition, o.epoch, d.of_offset) AS duplicate_of_event_id
FROM segments.duplicate AS d
INNER JOIN segments.lane AS l ON d.lane_id = l.lane_id
INNER JOIN segments.lane AS o ON d.of_lane_id = o.lane_id;

COMMENT ON VIEW reporting.duplicate IS 'Records that repeat an event and were dropped. Key: kafka_topic, kafka_partition, kafka_epoch, kafka_offset.';
COMMENT ON COLUMN reporting.duplicate.kafka_topic IS 'Topic of the record.';
COMMENT ON COLUMN reporting.duplicate.kafka_partition IS 'Partition of the record.';
COMMENT ON COLUMN reporting.duplicate.kafka_epoch IS 'Starts at 0, and increases by 1 with each adoption of a remade topic.';
COMMENT ON COLUMN reporting.duplicate.kafka_offset IS 'Offset of the record.';
COMMENT ON COLUMN reporting.duplicate.received_at IS 'The record''s timestamp (the broker''s clock); it never decreases within a lane.';
COMMENT ON COLUMN reporting.duplicate.recorded_at IS 'When it was appended to the log (the database''s clock).';
COMMENT ON COLUMN reporting.duplicate.duplicate_of_event_id IS 'The event that it repeats.';

GRANT SELECT ON reporting.duplicate TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('duplicate');
