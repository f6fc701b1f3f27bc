-- The state of a key folded from the log, projected or not, and the time of its newest event. One row; both are null without
-- such an event. happened_until: status_change_timestamp <= this.

-- After its events with recorded_at <= recorded_until.
CREATE FUNCTION segments.state_at_times(
    segment_key integer, person_id bigint, happened_until timestamptz, recorded_until timestamptz
) RETURNS TABLE (state segments.key_state, newest timestamptz) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT
        segments.fold(
            NULL::segments.key_state, e.user_status, e.status_change_timestamp, e.received_at, e.recorded_at,
            e.lane_id, e.kafka_offset, e.expires_at, e.expired_lane_id, e.expired_offset
            ORDER BY e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch
        ),
        max(e.status_change_timestamp)
    FROM segments.event AS e
    INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
    WHERE e.segment_key = $1 AND e.person_id = $2
        AND e.status_change_timestamp <= $3 AND e.recorded_at <= $4
$$;
GRANT EXECUTE ON FUNCTION segments.state_at_times TO segments_operate, segments_api;

-- After its events below the positions of lanes, as in a snapshot. A lane that is absent has no events.
CREATE FUNCTION segments.state_at_positions(
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
GRANT EXECUTE ON FUNCTION segments.state_at_positions TO segments_operate, segments_api;
