-- Lanes with keys that changed since they were published. Parameters: projection, topic[], how many records at once.
SELECT segments.incarnation() AS incarnation, c.lane_id, coalesce(t.next_offset, l.first_offset) AS first,
    least(c.next_offset, coalesce(t.next_offset, l.first_offset) + $3) AS until
FROM projections.checkpoint AS c INNER JOIN segments.lane AS l ON c.lane_id = l.lane_id
INNER JOIN projections.generation AS g ON c.projection = g.projection AND c.slot = g.slot
LEFT JOIN projections.membership_outbox AS t ON t.lane_id = c.lane_id
WHERE c.projection = $1 AND l.topic = ANY ($2::text[]) AND coalesce(t.next_offset, l.first_offset) < c.next_offset
