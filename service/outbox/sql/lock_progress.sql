-- Lock a lane's published position, unless another process has, and read it. The end of the lane is read again, because
-- Postgres may have been restored since the claim. Parameters: lane_id, topic[].
SELECT y.next_offset AS start, l.next_offset, l.topic, l.partition, l.epoch
FROM segments.rejected_outbox AS y INNER JOIN segments.lane AS l ON y.lane_id = l.lane_id
WHERE y.lane_id = $1 AND l.topic = ANY ($2::text[]) FOR UPDATE OF y SKIP LOCKED
