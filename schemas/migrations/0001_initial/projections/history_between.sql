-- A part of projections.history, for one key: its events between two times, inclusive. Only the events between the
-- surrounding kept states are folded, or all events of a key without one. state has no last_recorded_at.
CREATE FUNCTION projections.history_between(
    wanted_segment_key integer, wanted_person_id bigint, first_at timestamptz, last_at timestamptz
) RETURNS TABLE (lane_id integer, kafka_offset bigint, place bigint, state segments.key_state, outcome text)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    begins record;
    ends record;
    last record;
BEGIN
    SELECT k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch, k.state INTO begins
    FROM projections.serving_kept_state AS k INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
    WHERE k.segment_key = wanted_segment_key AND k.person_id = wanted_person_id
      AND k.status_change_timestamp < first_at
    ORDER BY k.status_change_timestamp DESC, k.received_at DESC, l.topic DESC, l.partition DESC, k.kafka_offset DESC,
        l.epoch DESC
    LIMIT 1;
    SELECT k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch INTO ends
    FROM projections.serving_kept_state AS k INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
    WHERE k.segment_key = wanted_segment_key AND k.person_id = wanted_person_id
      AND k.status_change_timestamp > last_at
    ORDER BY k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch
    LIMIT 1;
    SELECT k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch INTO last
    FROM projections.serving_kept_state AS k INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
    WHERE k.segment_key = wanted_segment_key AND k.person_id = wanted_person_id
      AND ends.topic IS NOT NULL
    ORDER BY k.status_change_timestamp DESC, k.received_at DESC, l.topic DESC, l.partition DESC, k.kafka_offset DESC,
        l.epoch DESC
    LIMIT 1;
    RETURN QUERY
    WITH logged AS MATERIALIZED (
        SELECT e.*, l.topic, l.partition, l.epoch,
            last.topic IS NOT NULL
            AND (e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch)
            > (ends.status_change_timestamp, ends.received_at, ends.topic, ends.partition, ends.kafka_offset, ends.epoch)
                AS is_beyond
        FROM (
            SELECT f.user_status, f.status_change_timestamp, f.received_at, f.recorded_at, f.lane_id, f.kafka_offset,
                f.expires_at, f.expired_lane_id, f.expired_offset
            FROM segments.event AS f
            WHERE f.person_id = wanted_person_id AND f.segment_key = wanted_segment_key
              AND f.status_change_timestamp >= coalesce(begins.status_change_timestamp, '-infinity')
              AND f.status_change_timestamp <= coalesce(ends.status_change_timestamp, 'infinity')
            UNION
            -- Adds and blocks after the last kept state may supersede events before it.
            SELECT f.user_status, f.status_change_timestamp, f.received_at, f.recorded_at, f.lane_id, f.kafka_offset,
                f.expires_at, f.expired_lane_id, f.expired_offset
            FROM segments.event AS f
            WHERE f.person_id = wanted_person_id AND f.segment_key = wanted_segment_key
              AND f.status_change_timestamp >= last.status_change_timestamp
        ) AS e
        INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
        INNER JOIN projections.serving_checkpoint AS c ON e.lane_id = c.lane_id
        WHERE e.kafka_offset < c.next_offset
          AND (begins.topic IS NULL
            OR (e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch)
            > (begins.status_change_timestamp, begins.received_at, begins.topic, begins.partition, begins.kafka_offset,
                begins.epoch))
    ), beyond AS (
        SELECT b.* FROM (
            SELECT g.received_at, g.topic, g.partition, g.kafka_offset, g.epoch FROM logged AS g
            WHERE g.is_beyond AND g.user_status <= 2
            UNION ALL
            SELECT k.arrived_at, a.topic, a.partition, k.arrived_offset, a.epoch
            FROM projections.serving_kept_state AS k
            INNER JOIN segments.lane AS l ON k.lane_id = l.lane_id
            INNER JOIN segments.lane AS a ON k.arrived_lane_id = a.lane_id
            WHERE k.segment_key = wanted_segment_key AND k.person_id = wanted_person_id
              AND k.status_change_timestamp >= ends.status_change_timestamp
              AND (k.status_change_timestamp, k.received_at, l.topic, l.partition, k.kafka_offset, l.epoch)
                > (ends.status_change_timestamp, ends.received_at, ends.topic, ends.partition, ends.kafka_offset, ends.epoch)
        ) AS b
        ORDER BY b.received_at, b.topic, b.partition, b.kafka_offset, b.epoch
        LIMIT 1
    ), arrived AS (
        SELECT s.*, row_number() OVER (ORDER BY s.received_at, s.topic, s.partition, s.kafka_offset, s.epoch) AS arrival
        FROM (
            SELECT g.user_status, g.status_change_timestamp, g.received_at, g.recorded_at, g.lane_id, g.kafka_offset,
                g.expires_at, g.expired_lane_id, g.expired_offset, g.topic, g.partition, g.epoch
            FROM logged AS g WHERE NOT g.is_beyond
            UNION ALL
            SELECT 1::smallint, 'infinity', b.received_at, NULL, NULL, b.kafka_offset, NULL, NULL, NULL, b.topic, b.partition,
                b.epoch
            FROM beyond AS b
        ) AS s
    ), folded AS (
        SELECT a.*,
            segments.fold(
                begins.state, a.user_status, a.status_change_timestamp, a.received_at, a.recorded_at,
                a.lane_id, a.kafka_offset, a.expires_at, a.expired_lane_id, a.expired_offset
            ) OVER in_order AS state,
            row_number() OVER in_order AS place,
            -- As in projections.history.
            segments.is_superseded(
                a.user_status, min(a.arrival) FILTER (WHERE a.user_status <= 2) OVER backwards, a.arrival
            ) AS superseded
        FROM arrived AS a
        WINDOW
            in_order AS (
                ORDER BY a.status_change_timestamp, a.received_at, a.topic, a.partition, a.kafka_offset, a.epoch
                ROWS UNBOUNDED PRECEDING
            ),
            backwards AS (
                ORDER BY
                    a.status_change_timestamp DESC, a.received_at DESC, a.topic DESC, a.partition DESC, a.kafka_offset DESC,
                    a.epoch DESC
                ROWS UNBOUNDED PRECEDING
            )
    )
    SELECT f.lane_id, f.kafka_offset, f.place, f.state,
        segments.outcome(segments.outcome_code((f.state).effect, f.superseded))
    FROM folded AS f
    WHERE f.status_change_timestamp BETWEEN first_at AND last_at AND f.lane_id IS NOT NULL;
END $$;
GRANT EXECUTE ON FUNCTION projections.history_between TO segments_operate, segments_api;
