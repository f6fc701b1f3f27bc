-- The log below the checkpoints of the serving slot, in each key's order, with the state after each event, and whether the
-- event is superseded: an add or block later in the order arrived earlier. Columns that a query does not select cost
-- nothing.
CREATE VIEW projections.history AS
SELECT
    a.segment_key,
    a.person_id,
    a.lane_id,
    a.kafka_offset,
    a.status_change_timestamp,
    a.recorded_at,
    a.user_status,
    segments.fold(
        NULL::segments.key_state, a.user_status, a.status_change_timestamp, a.received_at, a.recorded_at,
        a.lane_id, a.kafka_offset, a.expires_at, a.expired_lane_id, a.expired_offset
    ) OVER in_order AS state,
    row_number() OVER in_order AS place,
    lead(1) OVER in_order IS NULL AS is_last,
    segments.is_superseded(
        a.user_status, min(a.arrival) FILTER (WHERE a.user_status <= 2) OVER backwards, a.arrival
    ) AS superseded
FROM (
    SELECT
        e.segment_key,
        e.person_id,
        e.lane_id,
        e.kafka_offset,
        e.status_change_timestamp,
        e.user_status,
        e.received_at,
        e.recorded_at,
        e.expires_at,
        e.expired_lane_id,
        e.expired_offset,
        l.topic,
        l.partition,
        l.epoch,
        row_number() OVER (
            PARTITION BY e.segment_key, e.person_id ORDER BY e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch
        ) AS arrival
    FROM segments.event AS e
    INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
    INNER JOIN projections.serving_checkpoint AS c ON e.lane_id = c.lane_id AND e.kafka_offset < c.next_offset
) AS a
WINDOW
    in_order AS (
        PARTITION BY a.segment_key, a.person_id
        ORDER BY a.status_change_timestamp, a.received_at, a.topic, a.partition, a.kafka_offset, a.epoch
        ROWS UNBOUNDED PRECEDING
    ),
    backwards AS (
        PARTITION BY a.segment_key, a.person_id
        ORDER BY
            a.status_change_timestamp DESC, a.received_at DESC, a.topic DESC, a.partition DESC, a.kafka_offset DESC, a.epoch DESC
        ROWS UNBOUNDED PRECEDING
    );
GRANT SELECT ON projections.history TO segments_ingest, segments_project, segments_operate, segments_api;
