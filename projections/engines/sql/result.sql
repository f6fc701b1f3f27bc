-- View result: the outcome of each command.
SELECT
    network_id,
    reference_id,
    segment_id,
    user_id,
    user_status,
    outcome,
    CAST(NULL AS STRING) AS reason,
    changed_membership,
    changed_override,
    status_change_timestamp,
    received_at,
    kafka_topic,
    kafka_partition,
    kafka_epoch,
    kafka_offset,
    event_id
FROM step
UNION ALL
SELECT
    e.network_id,
    e.reference_id,
    e.segment_id,
    e.user_id,
    e.user_status,
    'duplicate',
    CAST(NULL AS STRING),
    false,
    false,
    e.status_change_timestamp,
    d.received_at,
    d.kafka_topic,
    d.kafka_partition,
    d.kafka_epoch,
    d.kafka_offset,
    e.event_id
FROM duplicate AS d
INNER JOIN event AS e ON d.duplicate_of_event_id = e.event_id
UNION ALL
SELECT
    network_id,
    reference_id,
    segment_id,
    user_id,
    user_status,
    'rejected',
    reason,
    CAST(NULL AS BOOLEAN),
    CAST(NULL AS BOOLEAN),
    status_change_timestamp,
    received_at,
    kafka_topic,
    kafka_partition,
    kafka_epoch,
    kafka_offset,
    CAST(NULL AS STRING)
FROM rejected
