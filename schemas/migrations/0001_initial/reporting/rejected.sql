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
    r.next_offset
FROM segments.rejected AS r
INNER JOIN segments.lane AS l ON r.lane_id = l.lane_id;

COMMENT ON VIEW reporting.rejected IS 'Records that were refused, with the reason.';
COMMENT ON COLUMN reporting.rejected.kafka_topic IS 'Topic of the record.';
COMMENT ON COLUMN reporting.rejected.kafka_partition IS 'Partition of the record.';
COMMENT ON COLUMN reporting.rejected.kafka_epoch IS '0, one up each time a remade topic was adopted.';
COMMENT ON COLUMN reporting.rejected.kafka_offset IS 'Offset of the record.';
COMMENT ON COLUMN reporting.rejected.received_at IS 'The record''s timestamp (the broker''s clock), never falling within a lane.';
COMMENT ON COLUMN reporting.rejected.recorded_at IS 'When it was appended to the log (the database''s clock).';
COMMENT ON COLUMN reporting.rejected.reason IS 'Why it was rejected: the first check that failed.';
COMMENT ON COLUMN reporting.rejected.detail IS 'What was wrong and where, with a guess at the cause; null once erased.';
COMMENT ON COLUMN reporting.rejected.network_id IS 'The tenant, where it could be read.';
COMMENT ON COLUMN reporting.rejected.reference_id IS 'The publisher''s id, where it could be read.';
COMMENT ON COLUMN reporting.rejected.payload IS 'The record''s value, byte for byte; null for a tombstone or once erased.';
COMMENT ON COLUMN reporting.rejected.payload_text IS 'The same as text, invalid bytes and NUL as U+FFFD.';
COMMENT ON COLUMN reporting.rejected.retried_at IS 'When it was last published again; null if never.';
COMMENT ON COLUMN reporting.rejected.next_offset IS 'Where what the row stands for ends: one more than kafka_offset, but for a batch that could not be read, which has one row.';

GRANT SELECT ON reporting.rejected TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('rejected');
COMMENT ON VIEW reporting_network.rejected IS
'Records that were refused, with the reason; those whose network could not be read belong to nobody and are not here.';
