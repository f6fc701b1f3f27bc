-- The number of records to fold in the lane with the most, lanes without a checkpoint included: cheaper than a claim.
-- Parameters: projection.
SELECT coalesce(max(l.next_offset - coalesce(c.next_offset, l.first_offset)), 0)
FROM projections.generation AS g
CROSS JOIN segments.lane AS l
LEFT JOIN projections.checkpoint AS c ON g.projection = c.projection AND g.slot = c.slot AND l.lane_id = c.lane_id
WHERE g.projection = $1
