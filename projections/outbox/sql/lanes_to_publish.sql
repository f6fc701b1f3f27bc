-- Lanes with keys that have changed since they were published. Parameters: topic[], records per batch.
SELECT segments.incarnation() AS incarnation, c.lane_id, coalesce(t.next_offset, l.first_offset) AS first,
    least(c.next_offset, coalesce(t.next_offset, l.first_offset) + $2::bigint) AS until
FROM projections.serving_checkpoint AS c INNER JOIN segments.lane AS l ON c.lane_id = l.lane_id
LEFT JOIN projections.membership_outbox AS t ON t.lane_id = c.lane_id
WHERE l.topic = ANY ($1::text[]) AND coalesce(t.next_offset, l.first_offset) < c.next_offset
