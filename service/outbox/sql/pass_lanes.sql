-- Advance the published positions of lanes without rejected records. No lock is needed, because there is nothing to
-- publish. Parameters: topic[].
INSERT INTO segments.rejected_outbox AS y (lane_id, next_offset)
SELECT l.lane_id, l.next_offset
FROM segments.lane AS l LEFT JOIN segments.rejected_outbox AS o ON o.lane_id = l.lane_id
WHERE l.topic = ANY ($1::text[]) AND coalesce(o.next_offset, l.first_offset) < l.next_offset AND NOT EXISTS (
    SELECT FROM segments.rejected AS r WHERE r.lane_id = l.lane_id
        AND r.kafka_offset >= coalesce(o.next_offset, l.first_offset) AND r.kafka_offset < l.next_offset
)
ORDER BY l.lane_id
ON CONFLICT (lane_id) DO UPDATE SET next_offset = excluded.next_offset WHERE y.next_offset < excluded.next_offset
