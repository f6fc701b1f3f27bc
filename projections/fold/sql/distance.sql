-- The records by which a slot is behind the serving slot. Parameters: projection, serving slot, other slot.
SELECT s.lane_id, coalesce(n.next_offset, l.first_offset) AS first, s.next_offset AS until
FROM projections.checkpoint AS s
INNER JOIN segments.lane AS l ON s.lane_id = l.lane_id
LEFT JOIN projections.checkpoint AS n ON n.projection = s.projection AND n.slot = $3 AND n.lane_id = s.lane_id
WHERE s.projection = $1 AND s.slot = $2 AND coalesce(n.next_offset, l.first_offset) < s.next_offset
ORDER BY s.lane_id
