CREATE VIEW reporting.rejected AS
SELECT
    l.topic AS kafka_topic,
    l.partition AS kafka_partition,
    l.epoch AS kafka_epoch,
    r.kafka_offset,
    r.received_at,
    r.recorded_at,
    r.reason,
    r.detail,
    r.network_id,
    r.reference_id,
    r.payload,
    r.payload_text,
    (SELECT max(t.retried_at) FROM segments.retry AS t WHERE t.lane_id = r.lane_id AND t.kafka_offset = r.kafka_offset)
        AS retried_at,
    r.next_offset,
    (
        SELECT t.retried_as FROM segments.retry AS t
        WHERE t.lane_id = r.lane_id AND t.kafka_offset = r.kafka_offset ORDER BY t.retry_id DESC LIMIT 1
    ) AS retried_as
FROM segments.rejected AS r
INNER JOIN segments.lane AS l ON r.lane_id = l.lane_id;

COMMENT ON VIEW reporting.rejected IS 'Rejected records, with the reason. Key: kafka_topic, kafka_partition, kafka_epoch, kafka_offset.';
COMMENT ON COLUMN reporting.rejected.kafka_topic IS 'Topic of the record.';
COMMENT ON COLUMN reporting.rejected.kafka_partition IS 'Partition of the record.';
COMMENT ON COLUMN reporting.rejected.kafka_epoch IS 'Starts at 0, and increases by 1 with each adoption of a remade topic.';
COMMENT ON COLUMN reporting.rejected.kafka_offset IS 'Offset of the record.';
COMMENT ON COLUMN reporting.rejected.received_at IS 'The record''s timestamp (the broker''s clock); it never decreases within a lane.';
COMMENT ON COLUMN reporting.rejected.recorded_at IS 'When it was appended to the log (the database''s clock).';
COMMENT ON COLUMN reporting.rejected.reason IS 'Why it was rejected: the first check that failed.';
COMMENT ON COLUMN reporting.rejected.detail IS 'What was wrong and where, with a guess at the cause; null once erased.';
COMMENT ON COLUMN reporting.rejected.network_id IS 'The tenant, if it could be read.';
COMMENT ON COLUMN reporting.rejected.reference_id IS 'The publisher''s id, if it could be read.';
COMMENT ON COLUMN reporting.rejected.payload IS 'The record''s value, byte for byte; null for a tombstone or once erased.';
COMMENT ON COLUMN reporting.rejected.payload_text IS 'The payload as text, with invalid bytes and NUL as U+FFFD.';
COMMENT ON COLUMN reporting.rejected.retried_at IS 'When it was last retried; null if never.';
COMMENT ON COLUMN reporting.rejected.next_offset IS 'The offset after the row: kafka_offset + 1, or the end of an unreadable batch, which has one row.';
COMMENT ON COLUMN reporting.rejected.retried_as IS 'The position of its last retry, topic:partition:epoch:offset, where view result has the outcome; null if never.';

GRANT SELECT ON reporting.rejected TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('rejected');
COMMENT ON VIEW reporting_network.rejected IS
'Rejected records, with the reason, except those whose network could not be read. Key: kafka_topic, kafka_partition, kafka_epoch, kafka_offset.';
