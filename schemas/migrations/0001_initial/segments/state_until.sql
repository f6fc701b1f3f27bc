-- The state of a key after all its events in the log, projected or not, that had happened and were recorded until two
-- moments, and the time of the newest. One row; both are null without such an event.
CREATE FUNCTION segments.state_until(
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
GRANT EXECUTE ON FUNCTION segments.state_until TO segments_operate, segments_api;
