CREATE VIEW reporting.result AS
SELECT
    s.network_id,
    e.reference_id,
    s.segment_id::bigint AS segment_id,
    p.user_id,
    segments.status_word(e.user_status) AS user_status,
    segments.outcome(projections.code_in(o.codes, e.kafka_offset)) AS outcome,
    NULL::text AS reason,
    nullif(projections.code_in(o.codes, e.kafka_offset), 0) & 1 <> 0 AS changed_membership,
    nullif(projections.code_in(o.codes, e.kafka_offset), 0) & 2 <> 0 AS changed_override,
    e.status_change_timestamp,
    e.received_at,
    l.topic AS kafka_topic,
    l.partition AS kafka_partition,
    l.epoch AS kafka_epoch,
    e.kafka_offset,
    segments.event_id(l.topic, l.partition, l.epoch, e.kafka_offset) AS event_id
FROM segments.event AS e
-- LEFT, so that the planner removes the join if none of its columns is selected.
LEFT JOIN segments.segment AS s ON e.segment_key = s.segment_key
LEFT JOIN segments.lane AS l ON e.lane_id = l.lane_id
LEFT JOIN segments.person AS p ON e.person_id = p.person_id
LEFT JOIN projections.serving_outcome AS o ON e.lane_id = o.lane_id AND e.kafka_offset >> 8 = o.block
UNION ALL
SELECT
    s.network_id,
    e.reference_id,
    s.segment_id::bigint,
    p.user_id,
    segments.status_word(e.user_status),
    'duplicate',
    NULL,
    false,
    false,
    e.status_change_timestamp,
    d.received_at,
    l.topic,
    l.partition,
    l.epoch,
    d.kafka_offset,
    segments.event_id(o.topic, o.partition, o.epoch, e.kafka_offset)
FROM segments.duplicate AS d
INNER JOIN segments.lane AS l ON d.lane_id = l.lane_id
INNER JOIN segments.lane AS o ON d.of_lane_id = o.lane_id
INNER JOIN segments.event AS e ON d.of_lane_id = e.lane_id AND d.of_offset = e.kafka_offset
INNER JOIN segments.segment AS s ON e.segment_key = s.segment_key
INNER JOIN segments.person AS p ON e.person_id = p.person_id
UNION ALL
SELECT
    r.network_id,
    r.reference_id,
    r.segment_id,
    p.user_id,
    r.user_status,
    'rejected',
    r.reason,
    NULL,
    NULL,
    r.status_change_timestamp,
    r.received_at,
    l.topic,
    l.partition,
    l.epoch,
    r.kafka_offset,
    NULL
FROM segments.rejected AS r
INNER JOIN segments.lane AS l ON r.lane_id = l.lane_id
LEFT JOIN segments.person AS p ON r.person_id = p.person_id;

COMMENT ON VIEW reporting.result IS 'The outcome of each command. An unreadable batch has one row, at its first offset; next_offset of view rejected is its end. Key: kafka_topic, kafka_partition, kafka_epoch, kafka_offset.';
COMMENT ON COLUMN reporting.result.network_id IS 'The tenant.';
COMMENT ON COLUMN reporting.result.reference_id IS 'The publisher''s own id; may repeat. auto:… if the publisher sent none.';
COMMENT ON COLUMN reporting.result.segment_id IS 'The segment''s number within its network.';
COMMENT ON COLUMN reporting.result.user_id IS 'The user: an email in lower case, or a user id as sent; erased:<n> once erased.';
COMMENT ON COLUMN reporting.result.user_status IS 'add, block, reset, enter, leave or expire.';
COMMENT ON COLUMN reporting.result.outcome IS 'rejected, duplicate, queued, superseded, ineffective, no_change or applied.';
COMMENT ON COLUMN reporting.result.reason IS 'Why it was rejected: the first check that failed.';
COMMENT ON COLUMN reporting.result.changed_membership IS 'Whether the event changed membership in the order of the fold.';
COMMENT ON COLUMN reporting.result.changed_override IS 'Whether the event changed the override in the order of the fold.';
COMMENT ON COLUMN reporting.result.status_change_timestamp IS 'When it happened, as given by the publisher; else the time of receipt, truncated to the second.';
COMMENT ON COLUMN reporting.result.received_at IS 'The record''s timestamp (the broker''s clock); it never decreases within a lane.';
COMMENT ON COLUMN reporting.result.kafka_topic IS 'Topic of the record.';
COMMENT ON COLUMN reporting.result.kafka_partition IS 'Partition of the record.';
COMMENT ON COLUMN reporting.result.kafka_epoch IS 'Starts at 0, and increases by 1 with each adoption of a remade topic.';
COMMENT ON COLUMN reporting.result.kafka_offset IS 'Offset of the record.';
COMMENT ON COLUMN reporting.result.event_id IS 'The event''s id, derived from its position; null for a rejected record.';

GRANT SELECT ON reporting.result TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('result');
