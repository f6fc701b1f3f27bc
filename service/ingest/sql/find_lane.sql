-- The open lane of a partition, the incarnation of Postgres, and the newest erasure. Parameters: topic, partition.
SELECT segments.incarnation() AS incarnation,
    (SELECT coalesce(max(x.erasure_id), 0) FROM segments.erasure AS x) AS erased_to,
    lane_id, epoch, topic_id, first_offset, next_offset, last_offset, last_timestamp, last_digest, stopped_because,
    (extract(epoch FROM nullif(received_at, '-infinity')) * 1000)::bigint AS received_ms
FROM segments.lane WHERE topic = $1 AND partition = $2 AND NOT closed
