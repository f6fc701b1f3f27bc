CREATE VIEW reporting.event AS
SELECT
    segments.event_id(l.topic, l.partition, l.epoch, e.kafka_offset) AS event_id,
    s.network_id,
    s.segment_id::bigint AS segment_id,
    p.user_id,
    coalesce(e.user_sent, p.user_id) AS user_sent,
    segments.status_word(e.user_status) AS user_status,
    e.status_change_timestamp,
    e.discriminator = '' AS time_given,
    e.reference_id,
    e.expires_at,
    e.received_at,
    e.recorded_at,
    l.topic AS kafka_topic,
    l.partition AS kafka_partition,
    l.epoch AS kafka_epoch,
    e.kafka_offset,
    coalesce(e.source, 'kafka') AS source,
    e.actor,
    e.metadata::jsonb AS metadata,
    e.description
FROM segments.event AS e
INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
INNER JOIN segments.segment AS s ON e.segment_key = s.segment_key
INNER JOIN segments.person AS p ON e.person_id = p.person_id;

COMMENT ON VIEW reporting.event IS 'The log: every accepted command with its position. Key: event_id.';
COMMENT ON COLUMN reporting.event.event_id IS 'The event''s id, derived from its position; null for a rejected record.';
COMMENT ON COLUMN reporting.event.network_id IS 'The tenant.';
COMMENT ON COLUMN reporting.event.segment_id IS 'The segment''s number within its network.';
COMMENT ON COLUMN reporting.event.user_id IS 'The user: an email in lower case, or a user id as sent; erased:<n> once erased.';
COMMENT ON COLUMN reporting.event.user_sent IS 'The identifier as sent, before normalisation.';
COMMENT ON COLUMN reporting.event.user_status IS 'add, block, reset, enter, leave or expire.';
COMMENT ON COLUMN reporting.event.status_change_timestamp IS 'When it happened, as given by the publisher; else the time of receipt, truncated to the second.';
COMMENT ON COLUMN reporting.event.time_given IS 'Whether the publisher gave status_change_timestamp.';
COMMENT ON COLUMN reporting.event.reference_id IS 'The publisher''s own id; may repeat. auto:… if the publisher sent none.';
COMMENT ON COLUMN reporting.event.expires_at IS 'When the override expires; null for never. It stands until an expire event takes effect.';
COMMENT ON COLUMN reporting.event.received_at IS 'The record''s timestamp (the broker''s clock); it never decreases within a lane.';
COMMENT ON COLUMN reporting.event.recorded_at IS 'When it was appended to the log (the database''s clock).';
COMMENT ON COLUMN reporting.event.kafka_topic IS 'Topic of the record.';
COMMENT ON COLUMN reporting.event.kafka_partition IS 'Partition of the record.';
COMMENT ON COLUMN reporting.event.kafka_epoch IS 'Starts at 0, and increases by 1 with each adoption of a remade topic.';
COMMENT ON COLUMN reporting.event.kafka_offset IS 'Offset of the record.';
COMMENT ON COLUMN reporting.event.source IS 'kafka, http, cli, import, dashboard, retry or expiry, as signed.';
COMMENT ON COLUMN reporting.event.actor IS 'The person or service behind the command, as signed; null without a signature.';
COMMENT ON COLUMN reporting.event.metadata IS 'The publisher''s own data; null if there is none.';
COMMENT ON COLUMN reporting.event.description IS 'The reason, as given by the publisher.';

GRANT SELECT ON reporting.event TO segments_operate, segments_api, segments_report;
CALL segments.make_network_view('event');
