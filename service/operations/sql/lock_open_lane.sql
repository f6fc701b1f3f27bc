-- Lock a partition's open lane, and read it; now: a recorded_at later than all earlier ones of the lane.
-- Parameters: topic, partition.
SELECT l.lane_id, l.epoch, l.topic_id, l.first_offset, l.next_offset, l.recorded_at, l.last_offset, l.last_timestamp,
    l.last_digest, l.stopped_because,
    (extract(epoch FROM nullif(l.received_at, '-infinity')) * 1000)::bigint AS received_ms,
    segments.lane_now(l) AS now
FROM segments.lane AS l WHERE l.topic = $1 AND l.partition = $2 AND NOT l.closed FOR UPDATE
