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

COMMENT ON VIEW reporting.hole IS 'Ranges of offsets that hold no record for us: transaction markers, aborted records, compaction, retention, and what was passed by when a lane was adopted.';
COMMENT ON COLUMN reporting.hole.kafka_topic IS 'Topic of the record.';
COMMENT ON COLUMN reporting.hole.kafka_partition IS 'Partition of the record.';
COMMENT ON COLUMN reporting.hole.kafka_epoch IS '0, one up each time a remade topic was adopted.';
COMMENT ON COLUMN reporting.hole.first_offset IS 'The first offset of the range.';
COMMENT ON COLUMN reporting.hole.next_offset IS 'The offset after the range.';
COMMENT ON COLUMN reporting.hole.cause IS 'What the range held, as far as it is known; or why an operator passed it by.';
COMMENT ON COLUMN reporting.hole.recorded_at IS 'When it was appended to the log (the database''s clock).';

GRANT SELECT ON reporting.hole TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('hole', shows => 'shown lanes');
