-- The state of a key after all its projected events that had happened until a moment, folded from the newest kept state before
-- that, and the time of the newest. One row; is_member and newest are null without such an event.
CREATE FUNCTION projections.state_at(segment_key integer, person_id bigint, at timestamptz)
RETURNS TABLE (state segments.key_state, newest timestamptz) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT projections.as_recorded(coalesce(f.state, k.state), (
        SELECT max(x.recorded_at) FROM segments.event AS x
        INNER JOIN projections.serving_checkpoint AS c ON x.lane_id = c.lane_id AND x.kafka_offset < c.next_offset
        WHERE x.segment_key = $1 AND x.person_id = $2 AND x.status_change_timestamp <= $3
    )), (coalesce(f.state, k.state)).last_timestamp
    FROM (SELECT) AS always
    LEFT JOIN LATERAL (
        SELECT n.status_change_timestamp, n.received_at, l.topic, l.partition, n.kafka_offset, l.epoch, n.state
        FROM projections.serving_kept_state AS n INNER JOIN segments.lane AS l ON n.lane_id = l.lane_id
        WHERE n.segment_key = $1 AND n.person_id = $2 AND n.status_change_timestamp <= $3
        ORDER BY n.status_change_timestamp DESC, n.received_at DESC, l.topic DESC, l.partition DESC, n.kafka_offset DESC,
            l.epoch DESC
        LIMIT 1
    ) AS k ON true
    CROSS JOIN LATERAL (
        SELECT segments.fold(
            k.state, e.user_status, e.status_change_timestamp, e.received_at, e.recorded_at,
            e.lane_id, e.kafka_offset, e.expires_at, e.expired_lane_id, e.expired_offset
            ORDER BY e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch
        ) AS state
        FROM segments.event AS e
        INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
        INNER JOIN projections.serving_checkpoint AS c ON e.lane_id = c.lane_id AND e.kafka_offset < c.next_offset
        WHERE e.segment_key = $1 AND e.person_id = $2
            AND e.status_change_timestamp >= coalesce(k.status_change_timestamp, '-infinity')
            AND e.status_change_timestamp <= $3
            AND (
                k.topic IS NULL
                OR (e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch)
                > (k.status_change_timestamp, k.received_at, k.topic, k.partition, k.kafka_offset, k.epoch)
            )
    ) AS f
$$;
GRANT EXECUTE ON FUNCTION projections.state_at TO segments_operate, segments_api;
