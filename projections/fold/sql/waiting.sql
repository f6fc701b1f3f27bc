-- How much waits in the lane with most to fold: cheaper than trying to claim one. Parameters: projection.
SELECT coalesce(max(l.next_offset - c.next_offset), 0)
FROM projections.generation AS g
INNER JOIN projections.checkpoint AS c ON g.projection = c.projection AND g.slot = c.slot
INNER JOIN segments.lane AS l ON c.lane_id = l.lane_id
WHERE g.projection = $1
