-- Where keys stand by all that the log holds of them, projected or not: the state, as text, and the time of the newest
-- event, Unix seconds. No row for a key of which it holds nothing. Parameters: segment_key[], person_id[].
SELECT k.segment_key, k.person_id, extract(epoch FROM max(e.status_change_timestamp))::bigint AS newest,
    segments.fold(
        NULL::segments.key_state, e.user_status, e.status_change_timestamp, e.received_at, e.recorded_at,
        e.lane_id, e.kafka_offset, e.expires_at, e.expired_lane_id, e.expired_offset
        ORDER BY e.status_change_timestamp, e.received_at, l.topic, l.partition, e.kafka_offset, l.epoch
    )::text AS state
FROM unnest($1::integer[], $2::bigint[]) AS k (segment_key, person_id)
CROSS JOIN LATERAL (
    SELECT * FROM segments.event AS f
    WHERE f.segment_key = k.segment_key AND f.person_id = k.person_id
    OFFSET 0
) AS e
INNER JOIN segments.lane AS l ON e.lane_id = l.lane_id
GROUP BY k.segment_key, k.person_id
