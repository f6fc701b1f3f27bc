CREATE VIEW reporting.rejected_retry AS
SELECT
    y.retry_id,
    y.retried_at,
    y.actor,
    y.network_id,
    l.topic AS kafka_topic,
    l.partition AS kafka_partition,
    l.epoch AS kafka_epoch,
    y.kafka_offset,
    r.reason,
    y.retried_as,
    CASE
        WHEN e.lane_id IS NOT NULL THEN 'appended'
        WHEN d.lane_id IS NOT NULL THEN 'duplicate'
        WHEN x.lane_id IS NOT NULL THEN 'rejected'
        ELSE 'queued'
    END AS outcome,
    CASE
        WHEN e.lane_id IS NOT NULL THEN segments.event_id(n.topic, n.partition, n.epoch, e.kafka_offset)
        WHEN d.lane_id IS NOT NULL THEN segments.event_id(o.topic, o.partition, o.epoch, d.of_offset)
    END AS event_id,
    x.reason AS rejected_reason,
    x.detail AS rejected_detail
FROM segments.retry AS y
INNER JOIN segments.lane AS l ON y.lane_id = l.lane_id
INNER JOIN segments.rejected AS r ON y.lane_id = r.lane_id AND y.kafka_offset = r.kafka_offset
LEFT JOIN segments.lane AS n
    ON
        n.topic = split_part(y.retried_as, ':', 1)
        AND n.partition = nullif(split_part(y.retried_as, ':', 2), '')::integer
        AND n.epoch = nullif(split_part(y.retried_as, ':', 3), '')::integer
LEFT JOIN segments.event AS e
    ON n.lane_id = e.lane_id AND e.kafka_offset = nullif(split_part(y.retried_as, ':', 4), '')::bigint
LEFT JOIN segments.duplicate AS d
    ON n.lane_id = d.lane_id AND d.kafka_offset = nullif(split_part(y.retried_as, ':', 4), '')::bigint
LEFT JOIN segments.lane AS o ON d.of_lane_id = o.lane_id
LEFT JOIN segments.rejected AS x
    ON n.lane_id = x.lane_id AND x.kafka_offset = nullif(split_part(y.retried_as, ':', 4), '')::bigint;

COMMENT ON VIEW reporting.rejected_retry IS 'Retries of rejected records, and what became of each. Key: retry_id.';
COMMENT ON COLUMN reporting.rejected_retry.retry_id IS 'The number of the retry.';
COMMENT ON COLUMN reporting.rejected_retry.retried_at IS 'When the record was published again.';
COMMENT ON COLUMN reporting.rejected_retry.actor IS 'The person or service that retried it; null if it was not stated.';
COMMENT ON COLUMN reporting.rejected_retry.network_id IS 'The tenant of the rejected record, if it could be read.';
COMMENT ON COLUMN reporting.rejected_retry.kafka_topic IS 'Topic of the rejected record.';
COMMENT ON COLUMN reporting.rejected_retry.kafka_partition IS 'Partition of the rejected record.';
COMMENT ON COLUMN reporting.rejected_retry.kafka_epoch IS 'Epoch of the rejected record.';
COMMENT ON COLUMN reporting.rejected_retry.kafka_offset IS 'Offset of the rejected record.';
COMMENT ON COLUMN reporting.rejected_retry.reason IS 'Why the record was rejected before this retry.';
COMMENT ON COLUMN reporting.rejected_retry.retried_as IS 'The position of the retry, topic:partition:epoch:offset.';
COMMENT ON COLUMN reporting.rejected_retry.outcome IS 'appended, duplicate, rejected, or queued: not in the log yet.';
COMMENT ON COLUMN reporting.rejected_retry.event_id IS 'The event that it became, or that it repeats as a duplicate; else null.';
COMMENT ON COLUMN reporting.rejected_retry.rejected_reason IS 'Why it was rejected again; null if it was not.';
COMMENT ON COLUMN reporting.rejected_retry.rejected_detail IS 'What was wrong then, and where; null once erased.';

GRANT SELECT ON reporting.rejected_retry TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('rejected_retry');
