-- The state of a key after all its events below some positions, lane by lane, that had happened until a moment; and the time of
-- the newest. One row: both null where there is no such event. A lane that is not named has none.
CREATE FUNCTION segments.state_below(
    segment_key integer, person_id bigint, happened_until timestamptz, lanes integer [], positions bigint []
) RETURNS TABLE (state segments.key_state, newest timestamptz) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        segments.fold(
            NULL::segments.key_state, e.user_status, e.status_change_timestamp, e.received_at, e.recorded_at,
            e.lane_id, e.kafka_offset, e.expires_at, e.expired_lane_id, e.expired_offset
            ORDER BY e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch
        ),
        max(e.status_change_timestamp)
    FROM segments.event AS e
    INNER JOIN unnest($4, $5) AS w (lane_id, next_offset) ON e.lane_id = w.lane_id AND e.kafka_offset < w.next_offset
    INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
    WHERE e.segment_key = $1 AND e.person_id = $2 AND e.status_change_timestamp <= $3
$$;
GRANT EXECUTE ON FUNCTION segments.state_below TO segments_operate, segments_api;
