-- Make the missing checkpoints of a slot. Parameters: projection, serving slot, other slot.
INSERT INTO projections.checkpoint (projection, slot, lane_id, next_offset)
SELECT s.projection, $3, s.lane_id, l.first_offset FROM projections.checkpoint AS s
INNER JOIN segments.lane AS l ON s.lane_id = l.lane_id
WHERE s.projection = $1 AND s.slot = $2 ON CONFLICT DO NOTHING
