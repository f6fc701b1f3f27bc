-- The lane of a position, without an epoch the open one; the log's position in it; and the offset of the row, which for
-- an unreadable batch is its first one.
-- Parameters: $1 topic, $2 partition, $3 epoch or null, $4 offset.
SELECT l.lane_id, l.epoch, l.first_offset, l.next_offset, l.closed, l.topic_id, l.stopped_because,
    coalesce(segments.rejected_at(l.lane_id, $4), $4) AS kafka_offset
FROM segments.lane AS l
WHERE l.topic = $1 AND l.partition = $2 AND CASE WHEN $3::integer IS NULL THEN NOT l.closed ELSE l.epoch = $3 END
