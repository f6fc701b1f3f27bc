-- Lanes with rejected records that are not published yet. Parameters: topic[].
SELECT l.lane_id FROM segments.lane AS l LEFT JOIN segments.rejected_outbox AS y ON y.lane_id = l.lane_id
WHERE l.topic = ANY ($1::text[]) AND coalesce(y.next_offset, l.first_offset) < l.next_offset
